/** Builds the native engine in the cache folder: libtensorflow from its Python wheel, the addon from source. */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { packageRoot } from '../base/paths.js';
import { exclusively } from '../base/lock.js';
import {
  ADDON_PACKAGE,
  addonPackageFolder,
  addonPath,
  engineFolder,
  signalsAddonPath,
  type Flavour,
} from './native.js';

const run = promisify(execFile);
const OUTPUT = { maxBuffer: 64 * 2 ** 20 };

/** Steps of an installation, in order, for whoever shows progress. */
export type InstallStep = 'download' | 'unpack' | 'compile' | 'check';

function fail(code: string, message: string, hint: string, cause?: unknown): UserError {
  return new UserError(code, message, { hint, exitCode: 1, cause });
}

function lastLines(error: unknown): string {
  const stderr = (error as { stderr?: string }).stderr ?? String(error);
  return stderr.trim().split('\n').slice(-3).join('\n  ');
}

/** The first Python that has pip. */
async function findPip(): Promise<string> {
  for (const python of ['python3', 'python']) {
    try {
      await run(python, ['-m', 'pip', '--version']);
      return python;
    } catch {
      continue;
    }
  }
  throw fail(
    'no-pip',
    'no Python with pip was found',
    'Install python3 and pip, then run `kvd setup` again. Until then kvd runs on wasm.',
  );
}

/** node-gyp as npm carries it. */
function findNodeGyp(): string {
  const candidates = [
    process.env.npm_execpath && join(dirname(process.env.npm_execpath), '..'),
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm'),
    '/usr/lib/node_modules/npm',
    '/usr/share/nodejs/npm',
  ];
  for (const npm of candidates) {
    const path = npm && join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    if (path && existsSync(path)) return path;
  }
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    throw fail(
      'no-node-gyp',
      'node-gyp was not found beside npm',
      'Install npm, or `npm install -g node-gyp`.',
    );
  }
}

async function download(python: string, flavour: Flavour, wheels: string): Promise<void> {
  const requirements = join(packageRoot, 'engine', `requirements-${flavour}.txt`);
  const platforms = ['2_27', '2_17', '2014', '2_12', '2010'].map(
    (version) => `--platform=manylinux${version.includes('_') ? '_' : ''}${version}_x86_64`,
  );
  const target = ['--only-binary=:all:', '--python-version=3.11', ...platforms];
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
  try {
    const pip = ['-m', 'pip', 'download', '--no-deps', '--require-hashes', '-r', requirements, '-d', wheels];
    await run(python, [...pip, ...target, ...quiet], OUTPUT);
  } catch (error) {
    throw fail(
      'download-failed',
      `pip could not fetch libtensorflow:\n  ${lastLines(error)}`,
      'Check the network and the free disk space, then run `kvd setup` again.',
      error,
    );
  }
}

/** Unpacks what the addon needs: libraries, headers and, for a GPU, NVIDIA's libraries, in the wheels' own layout. */
async function unpack(python: string, wheels: string, site: string): Promise<void> {
  const script = `
import glob, sys, zipfile
wanted = ('tensorflow/include/', 'tensorflow/libtensorflow_', 'nvidia/')
for wheel in glob.glob(sys.argv[1] + '/*.whl'):
    archive = zipfile.ZipFile(wheel)
    archive.extractall(sys.argv[2], [n for n in archive.namelist() if n.startswith(wanted)])
`;
  try {
    await run(python, ['-c', script, wheels, site], OUTPUT);
  } catch (error) {
    throw fail(
      'unpack-failed',
      `the wheel could not be unpacked:\n  ${lastLines(error)}`,
      'Check the free disk space (2 GB are needed).',
      error,
    );
  }
}

/**
 * Lays out the folder as the addon's binding.gyp and its run path expect it. `deps/lib` is the wheel's own
 * folder, so that the library finds NVIDIA's beside it by its run path.
 */
function arrange(folder: string): void {
  const wheel = join(folder, 'site', 'tensorflow');
  symlinkSync('libtensorflow_cc.so.2', join(wheel, 'libtensorflow.so.2'));
  symlinkSync('libtensorflow_cc.so.2', join(wheel, 'libtensorflow.so'));
  symlinkSync('libtensorflow_framework.so.2', join(wheel, 'libtensorflow_framework.so'));
  mkdirSync(join(folder, 'deps'));
  symlinkSync('../site/tensorflow', join(folder, 'deps', 'lib'));
  symlinkSync('../site/tensorflow/include', join(folder, 'deps', 'include'));
}

/** What the compiler or node-gyp complained of, out of pages of output. */
function complaint(error: unknown): string {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => !/^gyp (info|verb)/.test(line));
  const telling = lines.filter((line) => /error[: ]|not found|no such file|could not|unable to/i.test(line));
  return telling.length > 0 ? telling.slice(0, 3).join('\n  ') : lastLines(error);
}

/** Compiles in a folder of its own under the temporary one: make cannot cope with a space in a path. */
async function compile(folder: string, addon: string): Promise<void> {
  const workshop = mkdtempSync(join(tmpdir(), 'kvd-build-'));
  const made = join(workshop, 'lib');
  try {
    cpSync(join(addon, 'binding'), join(workshop, 'binding'), { recursive: true });
    cpSync(join(addon, 'package.json'), join(workshop, 'package.json'));
    const ours = join(packageRoot, 'engine');
    cpSync(ours, join(workshop, 'binding'), { recursive: true });
    // Libraries of their own: engine/signals, and engine/mpi (install-mpi.ts) for machines that have MPI.
    const apart = ['mpi', 'signals'];
    const sources = readdirSync(ours, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.cc') && !apart.includes(dirname(name)),
    );
    let recipe = readFileSync(join(addon, 'binding.gyp'), 'utf8');
    const insert = (place: string, text: string): void => {
      if (!recipe.includes(place)) throw new Error(`${ADDON_PACKAGE}: binding.gyp no longer has ${place}`);
      recipe = recipe.replace(place, `${place}${text}`);
    };
    insert("'binding/tfjs_binding.cc'", sources.map((name) => `, 'binding/${name}'`).join(''));
    const signals = "'target_name': 'kvd_signals', 'sources': ['binding/signals/signals.cc']";
    insert("'targets' : [{", `${signals} }, {`);
    writeFileSync(join(workshop, 'binding.gyp'), recipe);
    symlinkSync(join(folder, 'deps'), join(workshop, 'deps'));
    const prefix = dirname(dirname(process.execPath));
    const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
    const module = ['--module_name=tfjs_binding', `--module_path=${made}`, '--napi_build_version=8'];
    await run(process.execPath, [findNodeGyp(), 'rebuild', ...headers, ...module], {
      ...OUTPUT,
      cwd: workshop,
    });
    mkdirSync(dirname(addonPath(folder)), { recursive: true });
    cpSync(join(made, 'tfjs_binding.node'), addonPath(folder));
    cpSync(join(workshop, 'build', 'Release', 'kvd_signals.node'), signalsAddonPath(folder));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw fail(
      'compile-failed',
      `the addon did not compile:\n  ${complaint(error)}`,
      'Install a C++ compiler, make and python3 (Debian: apt-get install g++ make python3). Until then kvd runs on wasm.',
      error,
    );
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

async function check(folder: string): Promise<void> {
  const script = `process.env.TF_CPP_MIN_LOG_LEVEL='3';require(${JSON.stringify(addonPath(folder))})`;
  try {
    await run(process.execPath, ['-e', script], OUTPUT);
  } catch (error) {
    throw fail(
      'check-failed',
      `the addon does not load:\n  ${lastLines(error)}`,
      'Run `kvd setup --force`.',
      error,
    );
  }
}

/** Removes what interrupted installations left. Only for the holder of the lock. */
function removeLeftovers(target: string): void {
  for (const name of readdirSync(dirname(target))) {
    if (name.startsWith(`${basename(target)}.`) && name.endsWith('.building')) {
      rmSync(join(dirname(target), name), { recursive: true, force: true });
    }
  }
}

/** Fetches, unpacks, compiles and checks an engine in `folder`. */
async function build(
  folder: string,
  addon: string,
  flavour: Flavour,
  onStep: (step: InstallStep) => void,
): Promise<void> {
  const python = await findPip();
  const wheels = join(folder, 'wheels');
  mkdirSync(wheels, { recursive: true });
  onStep('download');
  await download(python, flavour, wheels);
  onStep('unpack');
  await unpack(python, wheels, join(folder, 'site'));
  arrange(folder);
  onStep('compile');
  await compile(folder, addon);
  onStep('check');
  await check(folder);
  for (const spent of ['wheels', 'site/tensorflow/include', 'deps/include']) {
    rmSync(join(folder, spent), { recursive: true, force: true });
  }
}

/**
 * Installs the native engine unless it is there; safe to run twice, twice at once, or after an interruption
 * (everything happens in a folder of its own that is renamed at the end).
 * @returns whether anything had to be done
 */
export async function installEngine(
  flavour: Flavour,
  options: { force?: boolean; onStep?: (step: InstallStep) => void } = {},
): Promise<boolean> {
  const target = engineFolder(flavour);
  const done = (): boolean => existsSync(addonPath(target)) && options.force !== true;
  if (done()) return false;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw fail(
      'unsupported-platform',
      `the native engine is built for linux x64 only, this is ${process.platform} ${process.arch}`,
      'kvd runs on wasm here.',
    );
  }
  const addon = addonPackageFolder();
  if (addon === undefined) {
    throw fail(
      'no-addon-source',
      `the npm package ${ADDON_PACKAGE} is not installed`,
      `Run \`npm install --ignore-scripts ${ADDON_PACKAGE}@4.22.0\`, then \`kvd setup\`.`,
    );
  }
  try {
    mkdirSync(dirname(target), { recursive: true });
    return await exclusively(`${target}.lock`, async () => {
      if (done()) return false;
      removeLeftovers(target);
      const folder = `${target}.${process.pid}.building`;
      try {
        await build(folder, addon, flavour, options.onStep ?? (() => undefined));
        rmSync(target, { recursive: true, force: true });
        renameSync(folder, target);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      return true;
    });
  } catch (error) {
    throw fileError(error, dirname(target));
  }
}
