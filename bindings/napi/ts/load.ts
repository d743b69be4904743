// Finds the native part: in the package of this platform, or built beside this one.

import { GLIBC, MUSL, familySync } from 'detect-libc';

type Native = typeof import('../native.js');

/**
 * The name that napi-rs gives to this platform; undefined where none is published. The C library is that which
 * Node itself was linked for: a report of the process would say it too, but resolves the names of every open
 * connection's peer for that, and stops the event loop meanwhile.
 */
function platformName(): string | undefined {
  const { platform, arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') return undefined;
  if (platform === 'linux') return `linux-${arch}-${(familySync() ?? GLIBC) === MUSL ? 'musl' : 'gnu'}`;
  if (platform === 'darwin') return `darwin-${arch}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return undefined;
}

const failures: string[] = [];

function failed(candidate: string, error: unknown): void {
  const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  failures.push(`  ${candidate}: ${reason}`);
}

/**
 * Written out, since what traces files (bundlers, @vercel/nft) follows a `require` only where its name is
 * spelled, and takes it for one that may be missing only inside of `try`.
 */
function find(name: string): Native | undefined {
  switch (name) {
    case 'linux-x64-gnu':
      try {
        return require('@2fapi/crypto-napi-linux-x64-gnu') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-linux-x64-gnu', error);
      }
      try {
        return require('../twofapi-crypto.linux-x64-gnu.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.linux-x64-gnu.node', error);
      }
      return undefined;
    case 'linux-arm64-gnu':
      try {
        return require('@2fapi/crypto-napi-linux-arm64-gnu') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-linux-arm64-gnu', error);
      }
      try {
        return require('../twofapi-crypto.linux-arm64-gnu.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.linux-arm64-gnu.node', error);
      }
      return undefined;
    case 'linux-x64-musl':
      try {
        return require('@2fapi/crypto-napi-linux-x64-musl') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-linux-x64-musl', error);
      }
      try {
        return require('../twofapi-crypto.linux-x64-musl.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.linux-x64-musl.node', error);
      }
      return undefined;
    case 'linux-arm64-musl':
      try {
        return require('@2fapi/crypto-napi-linux-arm64-musl') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-linux-arm64-musl', error);
      }
      try {
        return require('../twofapi-crypto.linux-arm64-musl.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.linux-arm64-musl.node', error);
      }
      return undefined;
    case 'darwin-x64':
      try {
        return require('@2fapi/crypto-napi-darwin-x64') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-darwin-x64', error);
      }
      try {
        return require('../twofapi-crypto.darwin-x64.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.darwin-x64.node', error);
      }
      return undefined;
    case 'darwin-arm64':
      try {
        return require('@2fapi/crypto-napi-darwin-arm64') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-darwin-arm64', error);
      }
      try {
        return require('../twofapi-crypto.darwin-arm64.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.darwin-arm64.node', error);
      }
      return undefined;
    case 'win32-x64-msvc':
      try {
        return require('@2fapi/crypto-napi-win32-x64-msvc') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-win32-x64-msvc', error);
      }
      try {
        return require('../twofapi-crypto.win32-x64-msvc.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.win32-x64-msvc.node', error);
      }
      return undefined;
    case 'win32-arm64-msvc':
      try {
        return require('@2fapi/crypto-napi-win32-arm64-msvc') as Native;
      } catch (error) {
        failed('@2fapi/crypto-napi-win32-arm64-msvc', error);
      }
      try {
        return require('../twofapi-crypto.win32-arm64-msvc.node') as Native;
      } catch (error) {
        failed('../twofapi-crypto.win32-arm64-msvc.node', error);
      }
      return undefined;
    default:
      return undefined;
  }
}

function load(): Native {
  const name = platformName();
  if (name === undefined) {
    const here = `${process.platform}-${process.arch}`;
    throw new Error(`@2fapi/crypto-napi has no native part for ${here}; @2fapi/client-sdk runs there, on WebAssembly`);
  }
  const found = find(name);
  if (found !== undefined) return found;
  throw new Error(
    `@2fapi/crypto-napi finds no native part for ${name}. Tried:\n${failures.join('\n')}\n` +
      'Install with optional dependencies (npm install --include=optional), or build it: npm run build:native',
  );
}

export const native: Native = load();
