// Gas of each step from receipts on anvil, after a deployment at the addresses that are committed. Figures go to
// target/bench.json; one above its limit fails.
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { record } from "../../bindings/client-sdk/scripts/figures.js";
import { FACTORY, initCode, root, salt } from "./artifacts.mjs";

const LIMITS = {
  "chain.authentication_gas": 275_000,
  "chain.signature_proof_gas": 53_000,
  "chain.signature_proof_sigma_gas": 72_000,
  "chain.message_validation_gas": 86_000,
  "chain.report_seal_gas": 140_000,
};
const ROUNDS = 7;
// The first of anvil's well-known keys; nothing but a test chain has money for it.
const USER_SECRET = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

const [deployment] = JSON.parse(readFileSync(`${root}deployments.json`, "utf8"));
const at = deployment.addresses;

const anvil = spawn(`${root}node_modules/.bin/anvil`, ["--port", "0", "--hardfork", "osaka", "--timestamp", "1800000000"], {
  stdio: ["ignore", "pipe", "inherit"],
});
process.on("exit", () => anvil.kill());
const url = await new Promise((resolve, reject) => {
  anvil.once("exit", (code) => reject(new Error(`anvil ended with ${code}`)));
  createInterface({ input: anvil.stdout }).on("line", (line) => {
    const listening = line.match(/Listening on (\S+)/);
    if (listening) resolve(`http://${listening[1]}`);
  });
});

async function rpc(method, ...params) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await answer.json();
  if (error) throw new Error(`${method}: ${error.message} ${error.data ?? ""}`);
  return result;
}

const cast = (...args) => execFileSync(`${root}node_modules/.bin/cast`, args, { encoding: "utf8" }).trim();

async function send(from, to, data) {
  const hash = await rpc("eth_sendTransaction", { from, to, data, gas: "0xf42400" });
  let receipt = null;
  for (let i = 0; receipt === null; ++i) {
    if (i === 6000) throw new Error(`a transaction to ${to} was not mined within a minute`);
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    receipt = await rpc("eth_getTransactionReceipt", hash);
  }
  if (receipt.status !== "0x1") throw new Error(`a transaction to ${to} failed`);
  return receipt;
}

const gas = (receipt) => Number(receipt.gasUsed);
const [user, sip, validator, service] = await rpc("eth_accounts");
const word = (address) => address.slice(2).padStart(64, "0");

// ---- at the addresses that are committed
const publish = (code) => send(user, FACTORY, salt(deployment.version) + code.slice(2));
const { token, minBond, ticketPrice } = deployment;
await publish(initCode("SettlementToken", "constructor(address,uint256)", [token.to, token.supply]));
await publish(
  initCode("AuthenticationProxy", "constructor(address,uint128,uint128)", [at.SettlementToken, minBond, ticketPrice]),
);
await publish(initCode("SigmaSecp256k1Verifier", "", []));
await publish(initCode("PasskeyVerifier", "", []));
for (const [name, address] of Object.entries(at)) {
  if ((await rpc("eth_getCode", address, "latest")) === "0x") throw new Error(`${name} is not at ${address}`);
}
const lensCode = JSON.parse(readFileSync(`${root}out/Lens.sol/Lens.json`, "utf8")).bytecode.object;
const lens = (await send(user, undefined, lensCode + word(at.AuthenticationProxy))).contractAddress;

async function ask(signature, ...args) {
  const data = cast("calldata", signature, ...args);
  const answer = await rpc("eth_call", { from: user, to: lens, data, gas: "0x3b9aca00" }, "latest");
  return cast("decode-abi", "f()(bytes)", answer);
}

// ---- everybody's stake
for (const who of [sip, validator, service]) {
  await send(user, at.SettlementToken, cast("calldata", "transfer(address,uint256)", who, "5000ether"));
  await send(who, at.SettlementToken, cast("calldata", "approve(address,uint256)", at.AuthenticationProxy, "5000ether"));
  await send(who, at.AuthenticationProxy, cast("calldata", "deposit(uint256)", "5000ether"));
}
await send(sip, at.AuthenticationProxy, await ask("registerCall(uint128)", "1000ether"));
await send(validator, at.AuthenticationProxy, await ask("validatorKeyCall()"));
await send(validator, at.AuthenticationProxy, cast("calldata", "stake(address,uint32)", sip, "3"));

// ---- sessions
const PLAN = "(address,address,uint256,bytes,bool,uint64,uint64,uint40,bytes32,address,address,bool,uint40,uint40)";
const tuple = (plan) => `(${Object.values(plan).join(",")})`;
const time = async (receipt) => Number((await rpc("eth_getBlockByNumber", receipt.blockNumber, false)).timestamp);

let nonce = 0;
async function posted(sigma, spoilt) {
  const signer = sigma ? await ask("sigmaSigner(address,uint256)", at.SigmaSecp256k1Verifier, "4711") : user;
  const plan = {
    service, user, userSecret: sigma ? "4711" : USER_SECRET, signer, sigma, nonce: ++nonce, blockNumber: 0, at: 0,
    seed: `0x${"0".repeat(64)}`, sip, validator, spoilt, postedAt: 0, provedAt: 0,
  };
  const requested = await send(service, at.AuthenticationProxy, await ask(`requestCall(${PLAN})`, tuple(plan)));
  plan.blockNumber = Number(requested.blockNumber);
  plan.at = await time(requested);
  await rpc("anvil_mine", "0x2");
  plan.seed = (await rpc("eth_getBlockByNumber", `0x${(plan.blockNumber + 1).toString(16)}`, false)).hash;
  const post = await send(sip, at.AuthenticationProxy, await ask(`postCall(${PLAN})`, tuple(plan)));
  plan.postedAt = await time(post);
  return { plan, used: [gas(requested), gas(post)] };
}

async function session(sigma) {
  const { plan, used } = await posted(sigma, false);
  const proof = await send(user, at.AuthenticationProxy, await ask(`proveCall(${PLAN})`, tuple(plan)));
  plan.provedAt = await time(proof);
  const opening = await send(validator, at.AuthenticationProxy, await ask(`validateCall(${PLAN})`, tuple(plan)));
  return [...used, gas(proof), gas(opening)];
}

async function report(toValidator) {
  const { plan } = await posted(false, true);
  const by = toValidator ? validator : user;
  const data = await ask(`reportCall(${PLAN},bool,address)`, tuple(plan), String(toValidator), by);
  // Two slashes of one stake: the chain is taken back in between.
  const before = await rpc("evm_snapshot");
  const receipt = await send(by, at.AuthenticationProxy, data);
  await rpc("evm_revert", before);
  return gas(receipt);
}

const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
await session(false); // the first one fills slots of storage that stay
const plain = [];
for (let i = 0; i < ROUNDS; ++i) plain.push(await session(false));
await session(true);
const sigma = [];
for (let i = 0; i < 3; ++i) sigma.push(await session(true));
const step = (n, all) => median(all.map((session) => session[n]));
const toUser = await report(false);
const toValidator = await report(true);
const figures = {
  "chain.authentication_gas": median(plain.map((steps) => steps.reduce((a, b) => a + b))),
  "chain.authentication_request_gas": step(0, plain),
  "chain.signature_request_gas": step(1, plain),
  "chain.signature_proof_gas": step(2, plain),
  "chain.signature_proof_sigma_gas": step(2, sigma),
  "chain.message_validation_gas": step(3, plain),
  "chain.report_user_seal_gas": toUser,
  "chain.report_seal_gas": Math.max(toUser, toValidator),
};

record(figures);
for (const [name, value] of Object.entries(figures)) {
  const limit = LIMITS[name];
  console.log(`${name} ${value}${limit ? ` (limit ${limit})` : ""}`);
  if (limit && value > limit) process.exitCode = 1;
}
anvil.removeAllListeners("exit");
anvil.kill();
