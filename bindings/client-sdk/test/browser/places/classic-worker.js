// A classic worker, with the one-file build.
importScripts('/sdk/2fapi.min.js');

self.onmessage = async ({ data }) => {
  const { ceremony } = await import('/places/ceremony.js');
  const sdk = { ...self.TwoFApi, TwoFApi: self.TwoFApi, TwoFApiClient: self.TwoFApiClient };
  self.postMessage(await ceremony(sdk, data).catch(({ name, code, message }) => ({ name, code, message })));
};
