/** The page: the customers at the left, the phone of the chosen one at the right; on a phone one of the two. */
import { useEffect, useState } from "react";
import { useChat } from "./chat.ts";
import { PeopleList } from "./people-list.tsx";
import { Phone } from "./phone.tsx";

export function App({ token }: { token: string | null }) {
  const [selected, select] = useSelection();
  const chat = useChat(token, selected, select);
  const first = chat.people?.customers[0]?.id ?? null;
  // There is always somebody to be; on a small screen the list comes first.
  useEffect(() => {
    if (selected === null && first !== null && window.matchMedia("(min-width: 701px)").matches) select(first);
  }, [selected, first, select]);

  if (chat.connection === "refused") {
    return (
      <main className="refused">
        <h1>Airy chat</h1>
        <p>
          This page needs the address with its token: <code>airy open chat</code>
        </p>
      </main>
    );
  }
  return (
    <div className={`page ${selected === null ? "listing" : "talking"}`}>
      <header>
        <h1>Airy chat</h1>
        <p>You are the customer; nothing here reaches Facebook.</p>
        <p className={`connection ${chat.connection}`} role="status">
          {chat.connection === "lost" ? "not connected, trying again" : chat.connection}
        </p>
      </header>
      <PeopleList people={chat.people} selected={selected} onSelect={select} onAdd={chat.addCustomer} />
      {selected !== null && <Phone key={selected} chat={chat} onBack={() => select("")} />}
    </div>
  );
}

/** Who you are lives in the address, so that reload and the back button work; the token does not. */
function useSelection(): [string | null, (id: string) => void] {
  const [selected, setSelected] = useState(fromAddress);
  useEffect(() => {
    const onChange = () => setSelected(fromAddress());
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  const [select] = useState(() => (id: string) => void (window.location.hash = id));
  return [selected, select];
}

function fromAddress(): string | null {
  const id = window.location.hash.slice(1);
  return /^[\w.-]+$/.test(id) ? id : null;
}
