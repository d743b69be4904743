/** The module, and the same one compressed, as the bundler inlines them. */
declare module '*.wasm.bin' {
  const bytes: Uint8Array;
  export default bytes;
}
declare module '*.wasm.deflate' {
  const bytes: Uint8Array;
  export default bytes;
}
