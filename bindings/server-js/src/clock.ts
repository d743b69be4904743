// The clock of this process.

export const unixSeconds = (): number => Math.floor(Date.now() / 1000);
