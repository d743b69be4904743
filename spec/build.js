// Builds the package twice, for `import` and for `require`. The packages beside it that need it run this before
// they build themselves, so that each of them builds in a checkout in which nothing is built yet.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const room = dirname(fileURLToPath(import.meta.url));
const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
const compiler = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.tsc);

function compile(...options) {
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.json', ...options], { cwd: room, stdio: 'inherit' });
}

compile();
compile('--module', 'commonjs', '--moduleResolution', 'bundler', '--outDir', 'dist/cjs');
// Says of the second build that it is CommonJS, which the package as a whole is not.
writeFileSync(join(room, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n');
