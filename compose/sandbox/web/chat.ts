/** What the page knows, and what it does: reads again what changed, tells the stand-in what the customer does. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Api, Refused } from "./api.ts";
import type { Act, Conversation, People } from "./shapes.ts";

export interface Chat {
  people: People | null;
  conversation: Conversation | null;
  connection: "connecting" | "live" | "lost" | "refused";
  /** What went wrong with what the customer did last. */
  notice: string | null;
  act(what: Act): Promise<boolean>;
  attach(file: File): Promise<void>;
  addCustomer(name: string, channel: string): Promise<void>;
  dismiss(): void;
}

export function useChat(token: string | null, selected: string | null, select: (id: string) => void): Chat {
  const api = useMemo(() => new Api(token ?? ""), [token]);
  const [people, setPeople] = useState<People | null>(null);
  const [conversation, setConversation] = useState<Conversation | null>(null);
  const [connection, setConnection] = useState<Chat["connection"]>(token === null ? "refused" : "connecting");
  const [notice, setNotice] = useState<string | null>(null);
  const wanted = useRef(selected);
  wanted.current = selected;

  const failed = useCallback((error: unknown) => {
    if (error instanceof Refused && error.status === 401) setConnection("refused");
    else if (error instanceof Refused) setNotice(error.message);
    else setConnection("lost");
  }, []);

  const load = useCallback(
    async (id: string) => {
      const read = await api.conversation(id);
      // The answer for somebody who is no longer looked at comes too late.
      if (wanted.current === id) setConversation(read);
    },
    [api],
  );

  useEffect(() => {
    if (token === null) return undefined;
    const controller = new AbortController();
    const refresh = throttle(() => {
      api.people().then((read) => (setPeople(read), setConnection("live")), failed);
      if (wanted.current !== null) load(wanted.current).catch(failed);
    });
    void api.watch((change) => {
      if (change === null) setConnection((now) => (now === "refused" ? now : "lost"));
      else if (change.type !== "alive") refresh();
    }, controller.signal);
    return () => controller.abort();
  }, [api, token, load, failed]);

  useEffect(() => {
    setConversation(null);
    setNotice(null);
    if (selected !== null && token !== null) load(selected).catch(failed);
  }, [selected, token, load, failed]);

  // Who looks at the conversation has seen it.
  const unread = conversation?.customer.unread ?? 0;
  const shown = conversation?.customer.id ?? null;
  useEffect(() => {
    if (unread > 0 && shown !== null && document.visibilityState === "visible") {
      api.act(shown, { kind: "read", quiet: true }).catch(failed);
    }
  }, [api, unread, shown, failed]);

  const act = async (what: Act): Promise<boolean> => {
    if (selected === null) return false;
    setNotice(null);
    try {
      await api.act(selected, what);
      return true;
    } catch (error) {
      failed(error);
      return false;
    }
  };
  return {
    people,
    conversation,
    connection,
    notice,
    act,
    async attach(file) {
      try {
        const { url, type } = await api.upload(file);
        await act({ kind: type, url });
      } catch (error) {
        failed(error);
      }
    },
    async addCustomer(name, channel) {
      try {
        select((await api.addCustomer(name, channel)).id);
      } catch (error) {
        failed(error);
      }
    },
    dismiss: () => setNotice(null),
  };
}

/** At once, and then at most every 100 ms: a flood of messages is not a flood of questions. */
function throttle(work: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const run = (): void => {
    work();
    timer = setTimeout(() => {
      timer = null;
      if (again) run();
      again = false;
    }, 100);
  };
  return () => {
    if (timer === null) run();
    else again = true;
  };
}
