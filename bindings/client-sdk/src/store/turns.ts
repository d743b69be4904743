/** Taking turns with a record, in all tabs and workers. */

const inThisPlace = new Map<string, Promise<unknown>>();

/**
 * Does one thing at a time under a name: in all tabs and workers of the origin where there are Web
 * Locks, and in this one everywhere.
 */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = inThisPlace.get(name) ?? Promise.resolve();
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  const locked = async (): Promise<T> => {
    if (!locks) return work();
    let begun = false;
    try {
      return (await locks.request(`2fapi ${name}`, () => {
        begun = true;
        return work();
      })) as T;
    } catch (error) {
      if (begun) throw error;
      // A browser that refuses storage refuses locks too: then tabs have no store in common either.
      return work();
    }
  };
  const mine = before.then(locked, locked);
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  inThisPlace.set(name, settled);
  try {
    return await mine;
  } finally {
    if (inThisPlace.get(name) === settled) inThisPlace.delete(name);
  }
}
