/** Lists the licence of every package that an installation of kvd holds: node scripts/licences.mjs > docs/licences.md */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const rows = Object.entries(packages)
  .filter(([path, entry]) => path !== '' && !entry.dev && !entry.devOptional)
  .map(([path, { version, license }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { name, version, licence: license ?? declared(path) };
  });

/** The licence in an installed package's own package.json; older ones have an object or a list. */
function declared(path) {
  try {
    const { license, licenses } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const given = license ?? licenses;
    return (
      [given]
        .flat()
        .map((one) => one?.type ?? one)
        .join(' OR ') || 'not stated'
    );
  } catch {
    return 'not installed here';
  }
}

const unique = [...new Map(rows.map((row) => [`${row.name} ${row.version}`, row])).values()];
unique.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1));
const counts = new Map();
for (const { licence } of unique) counts.set(licence, (counts.get(licence) ?? 0) + 1);
const lines = [
  '# Licences of the packages that kvd installs',
  '',
  `Made by \`node scripts/licences.mjs > docs/licences.md\`; ${unique.length} packages, tools for development left out.`,
  '',
  ...[...counts].sort((a, b) => b[1] - a[1]).map(([licence, n]) => `- ${licence}: ${n}`),
  '',
  '| package | version | licence |',
  '| --- | --- | --- |',
  ...unique.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`),
];
console.log(lines.join('\n'));
