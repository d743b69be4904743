// The ABI and bytecode of each contract that is deployed, as files that are committed, and their addresses.
// `node scripts/artifacts.mjs write` makes them from what forge built; `check` says whether they still are that.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const CONTRACTS = ["AuthenticationProxy", "SettlementToken", "SigmaSecp256k1Verifier", "PasskeyVerifier"];
/** The factory that is at this address on every chain. */
export const FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

const cast = (...args) =>
  execFileSync(`${root}node_modules/.bin/cast`, args, { encoding: "utf8" }).trim();

export const salt = (version) => cast("keccak", `2FApi-v1.0-Chain${version}`);

/** What the factory is sent beside the salt. */
export function initCode(name, signature, args) {
  const { bytecode } = JSON.parse(readFileSync(`${root}abi/${name}.json`, "utf8"));
  return args.length === 0 ? bytecode : bytecode + cast("abi-encode", signature, ...args).slice(2);
}

export const addressOf = (code, saltHex) =>
  cast("create2", "--deployer", FACTORY, "--salt", saltHex, "--init-code", code).match(/0x[0-9a-fA-F]{40}/g)[0];

/** The addresses that a deployment has, from what is committed. */
export function addresses({ version, token, minBond, ticketPrice }) {
  const at = salt(version);
  const tokenAddress =
    typeof token === "string"
      ? token
      : addressOf(initCode("SettlementToken", "constructor(address,uint256)", [token.to, token.supply]), at);
  const proxyArgs = [tokenAddress, minBond, ticketPrice];
  return {
    SettlementToken: tokenAddress,
    AuthenticationProxy: addressOf(
      initCode("AuthenticationProxy", "constructor(address,uint128,uint128)", proxyArgs),
      at,
    ),
    SigmaSecp256k1Verifier: addressOf(initCode("SigmaSecp256k1Verifier", "", []), at),
    PasskeyVerifier: addressOf(initCode("PasskeyVerifier", "", []), at),
  };
}

function built() {
  return CONTRACTS.map((name) => {
    const { abi, bytecode } = JSON.parse(readFileSync(`${root}out/${name}.sol/${name}.json`, "utf8"));
    return [`${root}abi/${name}.json`, JSON.stringify({ abi, bytecode: bytecode.object }, null, 1) + "\n"];
  });
}

function main(what) {
  const deployments = JSON.parse(readFileSync(`${root}deployments.json`, "utf8"));
  if (what === "write") {
    for (const [path, text] of built()) writeFileSync(path, text);
    for (const deployment of deployments) deployment.addresses = addresses(deployment);
    writeFileSync(`${root}deployments.json`, JSON.stringify(deployments, null, 2) + "\n");
    return;
  }
  const wrong = built()
    .filter(([path, text]) => !existsSync(path) || readFileSync(path, "utf8") !== text)
    .map(([path]) => `${path} is not what the sources give: run \`make contracts\` and commit it`);
  for (const deployment of deployments) {
    if (JSON.stringify(addresses(deployment)) !== JSON.stringify(deployment.addresses)) {
      wrong.push(`the addresses on chain ${deployment.chain_id} are others: ${JSON.stringify(addresses(deployment))}`);
    }
  }
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
