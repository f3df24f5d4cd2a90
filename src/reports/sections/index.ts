/** All targets of `kvd reproduce`, in the order of the report. */
import { Registry } from '../../base/registry.js';
import { ablations } from './ablations.js';
import { figure3 } from './figure3.js';
import { figure4 } from './figure4.js';
import { figure5 } from './figure5.js';
import { figure6 } from './figure6.js';
import { intrinsic } from './intrinsic.js';
import { methods } from './methods.js';
import { reports } from './reports.js';
import { table1 } from './table1.js';
import { table2 } from './table2.js';
import { table3 } from './table3.js';
import { table4 } from './table4.js';
import { table5 } from './table5.js';

export const targets = new Registry('target', [
  table1,
  table2,
  figure3,
  figure4,
  figure5,
  figure6,
  table3,
  table5,
  ablations,
  reports,
  intrinsic,
  methods,
  table4,
]);
