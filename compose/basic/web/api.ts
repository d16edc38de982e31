/** The calls of Airy's HTTP API that the inbox makes, at the origin it was loaded from. */
import {
  conversation,
  type Conversation,
  conversationPage,
  type ConversationPage,
  type Message,
  messagePage,
  type MessagePage,
  sentMessage,
} from "./shapes.ts";

/** `status` 0: nothing answered. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export function listConversations(cursor: string | null): Promise<ConversationPage> {
  return call("conversations.list", { cursor, page_size: 50 }, (body) => conversationPage.parse(body));
}

export function conversationInfo(id: string): Promise<Conversation> {
  return call("conversations.info", { conversation_id: id }, (body) => conversation.parse(body));
}

export function markRead(id: string): Promise<void> {
  return call("conversations.mark-read", { conversation_id: id }, () => {});
}

export function listMessages(id: string, cursor: string | null): Promise<MessagePage> {
  return call("messages.list", { conversation_id: id, cursor, page_size: 30 }, (body) => messagePage.parse(body));
}

export function sendText(id: string, text: string): Promise<Message> {
  return call("messages.send", { conversation_id: id, message: { text } }, (body) => sentMessage.parse(body));
}

/** Rejects with an {@link ApiError} whose message can be shown. */
async function call<T>(path: string, request: object, read: (body: unknown) => T): Promise<T> {
  const response = await fetch(`/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(request),
  }).catch(() => null);
  if (response === null) throw new ApiError(0, "The platform does not answer.");
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, reason(body) ?? `The platform answered ${response.status}.`);
  try {
    return read(body);
  } catch (error) {
    throw new ApiError(response.status, `The platform's answer to ${path} could not be read.`, { cause: error });
  }
}

function reason(body: unknown): string | null {
  const message = typeof body === "object" && body !== null && "message" in body ? body.message : null;
  return typeof message === "string" && message !== "" ? message : null;
}
