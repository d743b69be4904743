// The programs that the READMEs print are programs: the compiler takes them as they stand.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const room = fileURLToPath(new URL('..', import.meta.url));

const READMES = ['README.md', '../napi/README.md', '../../spec/README.md'];

/** The blocks of code of a file, in the languages that are looked at. */
function blocksOf(file: string): { language: string; code: string }[] {
  const text = readFileSync(join(room, file), 'utf8');
  return [...text.matchAll(/^```(ts|js)\n([^]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }));
}

/** What the compiler says of programs, each a module of its own beside this package. */
function compiled(programs: readonly { language: string; code: string }[]): string {
  const directory = mkdtempSync(join(room, 'test', 'readme-'));
  try {
    const names = programs.map(({ language }, at) => `block-${at}.m${language}`);
    programs.forEach(({ code }, at) => writeFileSync(join(directory, names[at] ?? ''), code));
    const compilerOptions = {
      noEmit: true,
      strict: true,
      allowJs: true,
      checkJs: true,
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2023', 'dom'],
      types: ['node'],
      skipLibCheck: true,
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: names }));
    const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
    const { bin } = JSON.parse(readFileSync(join(typescript, 'package.json'), 'utf8')) as { bin: { tsc: string } };
    const { stdout, stderr } = spawnSync(process.execPath, [join(typescript, bin.tsc), '-p', directory, '--pretty', 'false']);
    return String(stdout) + String(stderr);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test('what the READMEs print type-checks', () => {
  const programs = READMES.flatMap(blocksOf);
  assert(programs.length >= 6, `${programs.length} programs were found`);
  assert.equal(compiled(programs), '');
});

test('a program that does not type-check is noticed', () => {
  const code = "import { createTwoFApi } from '@2fapi/server';\nawait createTwoFApi({ audience: 7 });\n";
  assert.match(compiled([{ language: 'ts', code }]), /TS2322|TS2345/);
});
