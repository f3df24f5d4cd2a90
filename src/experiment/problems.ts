/** All that is wrong with an experiment, each problem with its place and the nearest right key. */
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { nearest } from '../base/suggest.js';
import { joinPath, type Places } from './yaml.js';

/** What other tools call our keys. */
const ALIASES: Readonly<Record<string, string>> = {
  retain_ratio: 'retention',
  ratio: 'retention',
  lr: 'learning_rate',
  lora_rank: 'lora_r',
  r: 'lora_r',
  rank: 'lora_r',
  beta: 'kl_forward_weight',
  lambda: 'kl_forward_weight',
  kd_beta: 'kl_forward_weight',
  num_train_epochs: 'max_steps',
  num_epochs: 'max_steps',
  per_device_train_batch_size: 'micro_batch_size',
  batch_size: 'micro_batch_size',
  lr_scheduler_type: 'lr_scheduler',
  base_model: 'model.name_or_path',
  sinks: 'n_sink',
  tasks: 'task',
};

/** The schema that stands at `path`, as far as it can be followed without data. */
function schemaAt(schema: unknown, path: readonly PropertyKey[], value: unknown): unknown {
  const unwrapped = unwrap(schema, value);
  const [key, ...rest] = path;
  if (key === undefined) return unwrapped;
  const inner = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (unwrapped instanceof z.ZodObject) return schemaAt(unwrapped.shape[String(key)], rest, inner);
  if (unwrapped instanceof z.ZodArray) return schemaAt(unwrapped.element, rest, inner);
  return undefined;
}

function isWrapper(schema: unknown): schema is z.ZodOptional | z.ZodDefault | z.ZodPrefault {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
}

function unwrap(schema: unknown, value: unknown): unknown {
  if (isWrapper(schema)) return unwrap(schema.unwrap(), value);
  if (schema instanceof z.ZodPipe) return unwrap(schema.out, value);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const name = typeof value === 'string' ? value : (value as { name?: unknown } | undefined)?.name;
    return schema.options.find((option) => {
      const literal: unknown = (option as z.ZodObject).shape.name;
      return literal instanceof z.ZodLiteral && literal.value === name;
    });
  }
  return schema;
}

function validKeys(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** The place of a path, or of the nearest enclosing key that has one. */
function placeOf(path: readonly PropertyKey[], places: Places): string {
  for (let length = path.length; length >= 0; length--) {
    const place = places.get(joinPath(path.slice(0, length)));
    if (place !== undefined) return place;
  }
  return 'experiment';
}

function unknownKey(key: string, valid: readonly string[]): string {
  const alias = Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
  const meant =
    alias !== undefined && (valid.includes(alias) || alias.includes('.')) ? alias : nearest(key, valid);
  const hint = meant === undefined ? `; valid: ${valid.join(', ')}` : `; did you mean "${meant}"?`;
  return `unknown key "${key}"${hint}`;
}

function literalNames(schema: unknown): string[] {
  if (isWrapper(schema)) return literalNames(schema.unwrap());
  if (schema instanceof z.ZodPipe) return literalNames(schema.out);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return [];
  return schema.options.map((option) => String(((option as z.ZodObject).shape.name as z.ZodLiteral).value));
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, places: Places): string[] {
  if (issue.code === 'unrecognized_keys') {
    const valid = validKeys(schemaAt(schema, issue.path, value));
    return issue.keys.map((key) => `${placeOf([...issue.path, key], places)}: ${unknownKey(key, valid)}`);
  }
  const key = joinPath(issue.path);
  if (issue.code === 'invalid_union' && issue.path.at(-1) === 'name') {
    const parent = issue.path
      .slice(0, -1)
      .reduce<unknown>((v, k) => (v as Record<PropertyKey, unknown> | undefined)?.[k], value);
    const given = typeof parent === 'string' ? parent : (parent as { name?: unknown } | undefined)?.name;
    const names = literalNames(rawSchemaAt(schema, issue.path.slice(0, -1)));
    const meant = typeof given === 'string' ? nearest(given, names) : undefined;
    const guess = meant === undefined ? '' : ` did you mean "${meant}"?`;
    return [
      `${placeOf(issue.path, places)}: ${key}: unknown name ${JSON.stringify(given)};${guess} valid: ${names.join(', ')}`,
    ];
  }
  if (issue.code === 'invalid_value') {
    const given = issue.path.reduce<unknown>(
      (v, k) => (v as Record<PropertyKey, unknown> | undefined)?.[k],
      value,
    );
    const names = issue.values.map(String);
    const meant = typeof given === 'string' ? nearest(given, names) : undefined;
    const guess = meant === undefined ? '' : ` did you mean "${meant}"?`;
    return [
      `${placeOf(issue.path, places)}: ${key}: ${JSON.stringify(given)} is not valid;${guess} valid: ${names.join(', ')}`,
    ];
  }
  return [`${placeOf(issue.path, places)}: ${key === '' ? '' : `${key}: `}${issue.message}`];
}

/** Like schemaAt, but unions are not resolved at the end. */
function rawSchemaAt(schema: unknown, path: readonly PropertyKey[]): unknown {
  let at: unknown = schema;
  for (const key of path) {
    if (isWrapper(at)) at = at.unwrap();
    if (at instanceof z.ZodObject) at = at.shape[String(key)];
    else if (at instanceof z.ZodArray) at = at.element;
  }
  return at;
}

/** `value` checked against `schema`; every problem at once, as one UserError. */
export function check<T>(schema: z.ZodType<T>, value: unknown, places: Places): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, schema, value, places));
  throw new UserError('invalid-experiment', [...new Set(problems)].join('\n'));
}
