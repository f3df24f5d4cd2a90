/** Token ids of the lines in a JSON list on standard input, as a JSON list: `node token_ids.mjs MODEL_FOLDER`. */
import { text } from 'node:stream/consumers';
import { loadTokenizer } from '../../dist/models/tokenizer.js';

const tokenizer = loadTokenizer(process.argv[2]);
const lines = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(lines.map((line) => tokenizer.encode({ control: line }))));
