/** The calls of Airy's HTTP API that the inbox makes, at the origin it was loaded from. */
import {
  type Channel,
  channelList,
  clientConfig,
  type Contact,
  contact,
  conversation,
  type Conversation,
  conversationPage,
  type ConversationPage,
  createdTag,
  createdTemplate,
  health,
  type Message,
  messagePage,
  type MessagePage,
  sentMessage,
  type Tag,
  tagList,
  type Template,
  templateList,
  uploaded,
  type Waiting,
} from "./shapes.ts";

/** `status` 0: nothing answered. */
class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** @param filters in the language of `conversations.list`, null for all. */
export function listConversations(filters: string | null, cursor: string | null, size: number): Promise<ConversationPage> {
  const asked = { cursor, page_size: size, ...(filters === null ? {} : { filters }) };
  return call("conversations.list", asked, (body) => conversationPage.parse(body));
}

export function conversationInfo(id: string): Promise<Conversation> {
  return call("conversations.info", { conversation_id: id }, (body) => conversation.parse(body));
}

export function markRead(id: string): Promise<void> {
  return call("conversations.mark-read", { conversation_id: id }, nothing);
}

export function setState(id: string, state: "OPEN" | "CLOSED"): Promise<void> {
  return call("conversations.set-state", { conversation_id: id, state }, nothing);
}

export function rename(id: string, name: string): Promise<void> {
  return call("conversations.update-contact", { conversation_id: id, display_name: name }, nothing);
}

export function tagConversation(id: string, tagId: string): Promise<void> {
  return call("conversations.tag", { conversation_id: id, tag_id: tagId }, nothing);
}

export function untagConversation(id: string, tagId: string): Promise<void> {
  return call("conversations.untag", { conversation_id: id, tag_id: tagId }, nothing);
}

export function listMessages(id: string, cursor: string | null): Promise<MessagePage> {
  return call("messages.list", { conversation_id: id, cursor, page_size: 30 }, (body) => messagePage.parse(body));
}

/** @param message what the source understands, `{text}` mostly. */
export function sendMessage(id: string, message: unknown): Promise<Message> {
  return call("messages.send", { conversation_id: id, message }, (body) => sentMessage.parse(body));
}

/** @param asPerson after the 24 hours, where Meta lets a person answer for 7 days. */
export function resend(messageId: string, asPerson: boolean): Promise<void> {
  return call("messages.resend", { message_id: messageId, ...(asPerson && { tag: "HUMAN_AGENT" }) }, nothing);
}

/** The address under which the file can be sent. */
export function upload(file: File): Promise<string> {
  const form = new FormData();
  form.set("file", file, file.name);
  return request("media.upload", { method: "POST", body: form }, (body) => uploaded.parse(body).media_url);
}

export function listChannels(): Promise<Channel[]> {
  return call("channels.list", {}, (body) => channelList.parse(body).data);
}

export function listTags(): Promise<Tag[]> {
  return call("tags.list", {}, (body) => tagList.parse(body).data);
}

export function createTag(name: string, color: string): Promise<Tag> {
  return call("tags.create", { name, color }, (body) => createdTag.parse(body));
}

export function updateTag(id: string, name: string, color: string): Promise<void> {
  return call("tags.update", { id, name, color }, nothing);
}

export function deleteTag(id: string): Promise<void> {
  return call("tags.delete", { id }, nothing);
}

export function listTemplates(source: string): Promise<Template[]> {
  return call("templates.list", { source }, (body) => templateList.parse(body).data);
}

export function createTemplate(name: string, source: string, text: string): Promise<Template> {
  return call("templates.create", { name, source, content: { message: { text } } }, (body) => createdTemplate.parse(body));
}

export function deleteTemplate(id: string): Promise<void> {
  return call("templates.delete", { id }, nothing);
}

export function contactOf(conversationId: string): Promise<Contact> {
  return call("contacts.info", { conversation_id: conversationId }, (body) => contact.parse(body));
}

/** null: the platform does not say. */
export function workspaceName(): Promise<string | null> {
  return call("client.config", {}, (body) => clientConfig.parse(body).workspace);
}

/** Deliveries of pages that are not connected. */
export function listWaiting(): Promise<Waiting[]> {
  return request("health", { method: "GET" }, (body) => health.parse(body).waiting);
}

function nothing(): void {}

/** Rejects with an {@link ApiError} whose message can be shown. */
function call<T>(path: string, body: object, read: (body: unknown) => T): Promise<T> {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body) }, read);
}

async function request<T>(path: string, init: RequestInit, read: (body: unknown) => T): Promise<T> {
  const response = await fetch(`/${path}`, init).catch(() => null);
  if (response === null) throw new ApiError(0, "The platform does not answer.");
  const body: unknown = await response.json().catch(() => null);
  // As Airy's own pages do: 403 means that somebody has to sign in.
  if (response.status === 403) window.location.assign("/login");
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
