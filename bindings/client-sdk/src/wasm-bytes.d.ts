/** The compressed module as the bundler inlines it. */
declare module '*.wasm.deflate' {
  const bytes: Uint8Array;
  export default bytes;
}
