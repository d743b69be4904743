// The whole ceremony, wherever it is called: what it gives says who was logged in and by which engine.
export async function ceremony({ TwoFApi, TwoFApiClient, memoryStore }, { baseUrl, clientId, token, engine = 'auto', inMemory = false }) {
  TwoFApi.configure({ engine });
  const options = { baseUrl, clientId, engine, ...(inMemory ? { store: memoryStore() } : {}) };
  const client = new TwoFApiClient(options);
  const { commitment } = await client.enroll({ token });
  await client.login();
  const who = await (await client.fetch('/auth/zkp/whoami')).json();
  const rotated = await client.rotate();
  await client.login();
  return {
    clientId: who.client_id,
    version: rotated.commitmentVersion,
    changed: commitment !== rotated.commitment,
    engine: await TwoFApi.engineName(),
  };
}
