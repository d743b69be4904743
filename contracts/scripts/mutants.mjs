// Takes each check of the contracts out, one at a time, and runs the tests: they have to fail. It works on a
// copy, and compiles no test again, because tests know the contracts by the names of their artifacts only.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./artifacts.mjs";

const copy = join(tmpdir(), `2fapi-mutants-${process.pid}`);
process.on("exit", () => rmSync(copy, { recursive: true, force: true }));
mkdirSync(copy);
for (const part of ["src", "test", "bin", "out", "cache", "abi", "foundry.toml", "package.json"]) {
  cpSync(root + part, join(copy, part), { recursive: true });
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
mkdirSync(join(copy, "spec"));

/** Each place where a check refuses, with the text that lets it pass instead. */
function mutants() {
  const found = [];
  for (const file of readdirSync(join(copy, "src"))) {
    const text = readFileSync(join(copy, "src", file), "utf8");
    const lines = text.split("\n");
    lines.forEach((line, i) => {
      const add = (from, to) => found.push({ file, text, i, was: line, becomes: line.replace(from, to) });
      if (/^\s*if \(.*\) revert /.test(line)) add(/revert [\w.]+\(\);/, "{}");
      else if (/^\s*if \(.*\) return (false|REFUSED|0xffffffff|;)/.test(line)) add(/return .*;|return;/, "{}");
      else if (/^\s*if \(.*\) return;/.test(line)) add("return;", "{}");
      if (/ external .*(nonReentrant|beforeSunset)/.test(line)) add(/ (nonReentrant|beforeSunset)/, "");
      else if (/^\s*beforeSunset$/.test(line)) add("beforeSunset", "");
      // Each half of a condition of two.
      const both = line.match(/^(\s*if \()(.*)( \|\| )(.*)(\) (revert|return) .*)$/);
      if (both) {
        const halves = both[2].split(" || ").concat(both[4]);
        halves.forEach((_, n) => {
          const rest = halves.filter((_, m) => m !== n).join(" || ");
          found.push({ file, text, i, was: line, becomes: `${both[1]}${rest}${both[5]}` });
        });
      }
    });
    // Conjunctions over several lines: one conjunct at a time.
    lines.forEach((line, i) => {
      if (/^\s*&& /.test(line)) {
        const end = line.endsWith(";") ? ";" : "";
        found.push({ file, text, i, was: line, becomes: end });
      }
    });
  }
  return found;
}

const only = process.argv[2];
const all = mutants().filter(({ file }) => !only || file.startsWith(only));
const survivors = [];
for (const [n, { file, text, i, was, becomes }] of all.entries()) {
  const lines = text.split("\n");
  lines[i] = becomes;
  writeFileSync(join(copy, "src", file), lines.join("\n"));
  const forge = (...args) =>
    spawnSync(join(copy, "bin/forge"), args, { cwd: copy, encoding: "utf8" });
  const built = forge("build", "src", "test/Harness.sol");
  let verdict = "does not compile";
  if (built.status === 0) {
    const tests = forge("test", "--nmc", "InvariantsTest|VectorsTest", "--fail-fast");
    verdict = tests.status === 0 ? "SURVIVES" : "noticed";
    if (verdict === "SURVIVES") survivors.push(`${file}:${i + 1}: ${was.trim()} => ${becomes.trim()}`);
  }
  console.log(`${n + 1}/${all.length} ${verdict}: ${file}:${i + 1} ${was.trim()} => ${becomes.trim()}`);
  writeFileSync(join(copy, "src", file), text);
}
console.log(`${all.length} checks taken out, ${survivors.length} not noticed`);
process.exitCode = survivors.length === 0 ? 0 : 1;
