// Finds the native part: in the package of this platform, or built beside this one.

import { join } from 'node:path';

type Native = typeof import('../native.js');

/** The name that napi-rs gives to this platform; undefined where none is published. */
function platformName(): string | undefined {
  const { platform, arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') return undefined;
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  if (platform === 'darwin') return `darwin-${arch}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return undefined;
}

function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}

function load(): Native {
  const name = platformName();
  const here = `${process.platform}-${process.arch}`;
  if (name === undefined) {
    throw new Error(`@2fapi/crypto-napi has no native part for ${here}; @2fapi/client-sdk runs there, on WebAssembly`);
  }
  const tried = [`@2fapi/crypto-napi-${name}`, join(__dirname, '..', `twofapi-crypto.${name}.node`)];
  const failures: string[] = [];
  for (const candidate of tried) {
    try {
      return require(candidate) as Native;
    } catch (error) {
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      failures.push(`  ${candidate}: ${reason}`);
    }
  }
  throw new Error(
    `@2fapi/crypto-napi finds no native part for ${name}. Tried:\n${failures.join('\n')}\n` +
      'Install with optional dependencies (npm install --include=optional), or build it: npm run build:native',
  );
}

export const native: Native = load();
