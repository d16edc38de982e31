import { type FormEvent, useState } from "react";
import type { People } from "./shapes.ts";
import { clock } from "./time.ts";

interface Props {
  people: People | null;
  selected: string | null;
  onSelect: (id: string) => void;
  onAdd: (name: string, channel: string) => Promise<void>;
}

export function PeopleList({ people, selected, onSelect, onAdd }: Props) {
  return (
    <nav aria-label="Customers">
      <ul>
        {people?.customers.map((customer) => (
          <li key={customer.id}>
            <button
              type="button"
              className="entry"
              aria-current={customer.id === selected ? "true" : undefined}
              onClick={() => onSelect(customer.id)}
            >
              <img src={customer.picture} alt="" width="40" height="40" />
              <span className="name">{customer.name}</span>
              <span className="when">{customer.last ? clock(customer.last.at) : ""}</span>
              <span className="last">
                {customer.last ? `${customer.last.from === "page" ? "" : "You: "}${customer.last.text}` : channelName(customer.channel)}
              </span>
              {customer.unread > 0 && (
                <span className="unread">
                  {customer.unread}
                  <span className="spoken"> unread</span>
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      <NewCustomer onAdd={onAdd} />
      {people?.alerts.map((alert) => (
        <p key={`${alert.at} ${alert.text}`} className="alert" role="alert">
          {alert.text}
        </p>
      ))}
    </nav>
  );
}

export function channelName(channel: string): string {
  return channel === "instagram" ? "Instagram" : "Messenger";
}

function NewCustomer({ onAdd }: Pick<Props, "onAdd">) {
  const [name, setName] = useState("");
  const [channel, setChannel] = useState("page");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === "") return;
    void onAdd(name.trim(), channel);
    setName("");
  };
  return (
    <form className="new" onSubmit={submit}>
      <input
        value={name}
        onChange={(event) => setName(event.target.value)}
        placeholder="Another customer"
        aria-label="Name of a new customer"
        maxLength={60}
      />
      <select value={channel} onChange={(event) => setChannel(event.target.value)} aria-label="Where the new customer writes">
        <option value="page">Messenger</option>
        <option value="instagram">Instagram</option>
      </select>
      <button type="submit" disabled={name.trim() === ""}>
        Add
      </button>
    </form>
  );
}
