/** From calls to an async iterable: what is pushed is kept until it is read. For one reader. */
export interface Feed<T> {
  push: (value: T) => void;
  /** The reader ends once it has read everything. */
  end: () => void;
  events: AsyncIterable<T>;
}

export function createFeed<T>(): Feed<T> {
  const queue: T[] = [];
  let ended = false;
  let resume: () => void = () => {};
  async function* read(): AsyncGenerator<T> {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (ended) return;
      else await new Promise<void>((resolve) => (resume = resolve));
    }
  }
  return {
    push: (value) => {
      queue.push(value);
      resume();
    },
    end: () => {
      ended = true;
      resume();
    },
    events: read(),
  };
}
