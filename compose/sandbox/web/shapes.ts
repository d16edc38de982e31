/** What the command channel of the stand-in tells (compose/sandbox/src/views.ts), as far as this page shows it. */

interface Customer {
  id: string;
  name: string;
  picture: string;
  channel: "page" | "instagram";
  reach: string;
  unread: number;
  typing: boolean;
  seenByPage: number;
  last: { at: number; from: "customer" | "page"; text: string } | null;
}

interface Alert {
  at: number;
  kind: string;
  text: string;
}

export interface People {
  customers: Customer[];
  alerts: Alert[];
}

export interface Button {
  type?: string;
  title?: string;
  url?: string;
  payload?: string;
}

export interface Element {
  title?: string;
  subtitle?: string;
  image_url?: string;
  media_type?: string;
  url?: string;
  buttons?: Button[];
}

export interface Attachment {
  type: string;
  title?: string;
  payload?: {
    url?: string;
    sticker_id?: unknown;
    template_type?: string;
    text?: string;
    elements?: Element[];
    buttons?: Button[];
    coordinates?: { lat: number; long: number };
  };
}

interface QuickReply {
  content_type?: string;
  title?: string;
  payload?: string;
  image_url?: string;
}

export interface Message {
  mid: string;
  from: "customer" | "page";
  at: number;
  message: { text?: string; attachments?: Attachment[]; quick_replies?: QuickReply[]; reply_to?: { mid?: string } } | null;
  postback: { title?: string } | null;
  appId: string | null;
  personaId: string | null;
  edits: number;
  deleted: boolean;
  reactions: { customer: string | null; page: string | null };
  delivery: "none" | "under way" | "acknowledged" | "held" | "failed" | "dropped";
}

export interface Profile {
  get_started?: { payload?: string };
  greeting?: { locale?: string; text?: string }[];
  ice_breakers?: { question?: string; payload?: string; call_to_actions?: { question?: string; payload?: string }[] }[];
  persistent_menu?: { call_to_actions?: Button[] }[];
}

export interface Conversation {
  customer: Customer;
  page: { id: string; name: string; picture: string; profile: Profile };
  personas: { id: string; name: string }[];
  messages: Message[];
}

export interface Act {
  kind: string;
  text?: string;
  title?: string;
  payload?: string;
  mid?: string;
  emoji?: string | null;
  quickReply?: string;
  replyTo?: string;
  url?: string;
  quiet?: boolean;
}
