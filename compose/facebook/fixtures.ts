/**
 * One sample of every kind of event that Messenger, Instagram and the WhatsApp Cloud API send, and of the odd ones that receivers
 * stumble over: for `airy trigger --fixture NAME` and for tests. After Meta's "webhook events" pages and public reports; the texts are
 * ours. Each value is what readTemplate takes: a body, an event, or a list.
 */

type Event = Record<string, unknown>;

export interface Fixture {
  about: string;
  /** One delivery after the other; names in braces are filled in (fill.ts). */
  deliveries: readonly (Event | readonly Event[] | string)[];
}

const CUSTOMER = { sender: { id: "{{CUSTOMER}}" }, recipient: { id: "{{PAGE}}" } };
const INBOX_APP = 263902037430900;

function attachment(type: string, payload?: Event, members: Event = {}): Event {
  return { message: { attachments: [{ type, ...members, ...(payload === undefined ? {} : { payload }) }] } };
}

function echo(message: Event): Event {
  return { sender: { id: "{{PAGE}}" }, recipient: { id: "{{CUSTOMER}}" }, message: { mid: "{{MID}}", is_echo: true, ...message } };
}

function body(object: string, entry: Event): Event {
  return { object, entry: [{ id: object === "instagram" ? "{{INSTAGRAM}}" : "{{PAGE}}", time: "{{TIME}}", ...entry }] };
}

function instagram(...events: Event[]): Event {
  const messaging = events.map((event) => ({
    sender: { id: "{{CUSTOMER}}" },
    recipient: { id: "{{INSTAGRAM}}" },
    timestamp: "{{TIME}}",
    ...event,
  }));
  return body("instagram", { messaging });
}

function standby(event: Event): Event {
  return body("page", { standby: [{ ...CUSTOMER, timestamp: "{{TIME}}", ...event }] });
}

function change(object: string, field: string, value: Event): Event {
  return body(object, { time: "{{SECONDS}}", changes: [{ field, value }] });
}

const first = { message: { mid: "{{MID}}", text: "Do you have the blue one in M?" } };
const picture = "https://cdn.example/pictures/blue.jpg?size=2&sig=a%2Fb";

export const fixtures = {
  // Messages of customers
  text: { about: "a text", deliveries: [first] },
  "text-quick-reply": {
    about: "a quick reply was pressed",
    deliveries: [{ message: { text: "M", quick_reply: { payload: "SIZE_M" } } }],
  },
  "text-reply": {
    about: "an answer to an earlier message",
    deliveries: [first, { message: { mid: "{{MID:a}}", text: "I mean the long one", reply_to: { mid: "{{MID}}" } } }],
  },
  "text-unicode": {
    about: "emoji, right-to-left and zero-width characters",
    deliveries: [
      {
        message: {
          text: [
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "\u{645}\u{631}\u{62d}\u{628}\u{627}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}",
            "e\u0301",
            "a\u200bb",
            "\u202egnp.exe\u202c",
            "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}",
          ].join(" "),
        },
      },
    ],
  },
  "text-markup": {
    about: "HTML, markdown and control characters",
    deliveries: [{ message: { text: "<b>bold</b> **bold** \u001b[31mred\u001b[0m\ttab\nline" } }],
  },
  "text-long": { about: "2000 characters", deliveries: [{ message: { text: "Is it warm enough? ".repeat(106).slice(0, 2_000) } }] },
  "text-empty": { about: "an empty text", deliveries: [{ message: { text: "" } }] },
  "text-nlp": {
    about: "a text with Meta's built-in language processing",
    deliveries: [
      {
        message: {
          text: "hello",
          nlp: {
            intents: [],
            entities: {},
            traits: { wit$greetings: [{ id: "5", value: "true", confidence: 0.99 }] },
            detected_locales: [{ locale: "en_XX", confidence: 0.9 }],
          },
        },
      },
    ],
  },
  "text-commands": {
    about: "a text with a command",
    deliveries: [{ message: { text: "/orders please", commands: [{ name: "orders" }] } }],
  },
  "text-from-ad": {
    about: "a text that began at an ad",
    deliveries: [
      {
        message: {
          text: "Tell me more",
          referral: {
            ref: "spring",
            ad_id: "6045246247433",
            source: "ADS",
            type: "OPEN_THREAD",
            ads_context_data: { ad_title: "Spring sale", photo_url: picture, post_id: "1_2" },
          },
        },
      },
    ],
  },
  image: { about: "a picture", deliveries: [attachment("image", { url: picture })] },
  "image-and-text": {
    about: "a picture with a text",
    deliveries: [{ message: { text: "This part is broken", attachments: [{ type: "image", payload: { url: picture } }] } }],
  },
  images: {
    about: "three pictures in one message",
    deliveries: [
      { message: { attachments: [1, 2, 3].map((n) => ({ type: "image", payload: { url: `https://cdn.example/pictures/${n}.jpg` } })) } },
    ],
  },
  video: { about: "a video", deliveries: [attachment("video", { url: "https://cdn.example/clips/1.mp4" })] },
  audio: { about: "a voice message", deliveries: [attachment("audio", { url: "https://cdn.example/voice/1.mp4" })] },
  file: { about: "a file", deliveries: [attachment("file", { url: "https://cdn.example/v/t59/Invoice_2026-11.pdf?oe=1" })] },
  sticker: {
    about: "a sticker, as Meta sends it since 30 August 2026",
    deliveries: [attachment("sticker", { url: "https://cdn.example/stickers/cat.png", sticker_id: 767226160478561 })],
  },
  "sticker-old": {
    about: "a sticker, as Meta sent it until 30 August 2026",
    deliveries: [attachment("image", { url: "https://cdn.example/stickers/like.png", sticker_id: 369239263222822 })],
  },
  "sticker-both": {
    about: "a sticker in the form of the transition: twice in one message",
    deliveries: [
      {
        message: {
          attachments: ["image", "sticker"].map((type) => ({
            type,
            payload: { url: "https://cdn.example/stickers/like.png", sticker_id: 369239263222822 },
          })),
        },
      },
    ],
  },
  reel: {
    about: "a shared reel",
    deliveries: [
      attachment("reel", { url: "https://www.facebook.example/reel/9", title: "Knitting in 30 seconds", reel_video_id: 99001122 }),
    ],
  },
  post: {
    about: "a shared post",
    deliveries: [attachment("post", { url: "https://www.facebook.example/shop/posts/5", title: "We moved!" })],
  },
  location: {
    about: "a place",
    deliveries: [
      attachment(
        "location",
        { coordinates: { lat: 52.516, long: 13.378 } },
        { title: "Meeting point", url: "https://maps.example/?q=52.516,13.378" },
      ),
    ],
  },
  "location-coordinates": {
    about: "a place without title and address",
    deliveries: [attachment("location", { coordinates: { lat: 52.516, long: 13.378 } })],
  },
  fallback: { about: "a shared link", deliveries: [attachment("fallback", { url: "https://shop.example/item/8", title: "Green jumper" })] },
  "fallback-outside": {
    about: "a shared link whose address stands beside the payload",
    deliveries: [
      '{"message":{"attachments":[{"type":"fallback","title":"A shop page","url":"https://shop.example/item/7","payload":null}]}}',
    ],
  },
  "fallback-empty": { about: "something shared of which nothing is told", deliveries: [attachment("fallback")] },
  "product-share": {
    about: "a product from the shop",
    deliveries: [
      attachment("template", {
        product: { elements: [{ id: "44", retailer_id: "sku-9", image_url: picture, title: "Jumper", subtitle: "39,00 EUR" }] },
      }),
    ],
  },
  appointment: {
    about: "an appointment request",
    deliveries: [attachment("appointment_booking", { title: "Repair", start_time: "2026-12-01T09:00:00+0000", status: "REQUESTED" })],
  },
  "unknown-attachment": {
    about: "an attachment of a type that nobody knows yet",
    deliveries: [attachment("contact_card", { name: "Bo", phone: "+49 30 000" })],
  },
  "javascript-link": {
    about: "an address that must not become a link",
    deliveries: [attachment("file", { url: "javascript:alert(1)", title: "click" })],
  },

  // What becomes of messages
  edit: {
    about: "a message, corrected afterwards",
    deliveries: [
      { message: { mid: "{{MID}}", text: "We are 3 people" } },
      { message_edit: { mid: "{{MID}}", text: "We are 4 people", num_edit: 1 } },
    ],
  },
  unsend: {
    about: "a message, taken back",
    deliveries: [{ message: { mid: "{{MID}}", text: "my card number" } }, { message: { mid: "{{MID}}", is_deleted: true } }],
  },
  "unsend-string": {
    about: "the same, the flag as text (as Meta's Instagram page shows it)",
    deliveries: [{ message: { mid: "{{MID}}", text: "my card number" } }, { message: { mid: "{{MID}}", is_deleted: "true" } }],
  },
  reaction: {
    about: "a message and a reaction to it",
    deliveries: [first, { reaction: { mid: "{{MID}}", action: "react", reaction: "love", emoji: "❤️" } }],
  },
  "reaction-other": {
    about: "a reaction beyond the named ones",
    deliveries: [first, { reaction: { mid: "{{MID}}", action: "react", reaction: "other", emoji: "👨‍👩‍👧" } }],
  },
  "reaction-word": {
    about: "a reaction as word only",
    deliveries: [first, { reaction: { mid: "{{MID}}", action: "react", reaction: "smile" } }],
  },
  "reaction-null-emoji": {
    about: "a reaction whose emoji is null",
    deliveries: [first, { reaction: { mid: "{{MID}}", action: "react", emoji: null, reaction: "angry" } }],
  },
  "reaction-escaped": {
    about: "a reaction as Meta's page prints it, escapes as text",
    deliveries: [first, '{"reaction":{"mid":"{{MID}}","action":"react","reaction":"love","emoji":"\\\\u{2764}\\\\u{FE0F}"}}'],
  },
  "reaction-taken-back": {
    about: "a reaction, taken back",
    deliveries: [
      first,
      { reaction: { mid: "{{MID}}", action: "react", reaction: "like", emoji: "👍" } },
      { reaction: { mid: "{{MID}}", action: "unreact" } },
    ],
  },
  "reaction-first": {
    about: "a reaction that arrives before its message",
    deliveries: [{ timestamp: "{{TIME+5}}", reaction: { mid: "{{MID}}", action: "react", reaction: "love", emoji: "❤️" } }, first],
  },
  read: { about: "the customer has seen everything until now", deliveries: [{ read: { watermark: "{{TIME}}" } }] },
  delivery: {
    about: "a message of the page has reached the customer",
    deliveries: [{ delivery: { mids: ["{{LAST_PAGE}}"], watermark: "{{TIME}}" } }],
  },

  // Echoes
  echo: {
    about: "the page answered through another app",
    deliveries: [echo({ app_id: 1517776481860111, metadata: "DEV_META", text: "sent by another app" })],
  },
  "echo-own": {
    about: "the echo of a message of this app, its id as text",
    deliveries: [echo({ app_id: "{{APP}}", text: "sent by this app" })],
  },
  "echo-no-app": { about: "an echo without an app id", deliveries: [echo({ app_id: null, text: "sent by hand" })] },
  "echo-image": {
    about: "the page sent a picture",
    deliveries: [echo({ app_id: INBOX_APP, attachments: [{ type: "image", payload: { url: picture } }] })],
  },
  "echo-sticker": {
    about: "the page sent a sticker",
    deliveries: [
      echo({
        app_id: INBOX_APP,
        attachments: [{ type: "sticker", payload: { url: "https://cdn.example/stickers/like.png", sticker_id: 369239263222822 } }],
      }),
    ],
  },
  "echo-quick-replies": {
    about: "the page offered answers",
    deliveries: [
      echo({
        app_id: 1517776481860111,
        text: "Which size?",
        quick_replies: ["S", "M"].map((title) => ({ content_type: "text", title, payload: title })),
      }),
    ],
  },
  "echo-media-template": {
    about: "another app sent a picture as template, in standby",
    deliveries: [
      body("page", {
        standby: [
          {
            ...echo({
              app_id: INBOX_APP,
              attachments: [
                {
                  title: "",
                  url: "https://shop.example/update/7",
                  type: "template",
                  payload: { template_type: "media", elements: [{ media_type: "image", attachment_id: 2457235337685388 }] },
                },
              ],
            }),
            timestamp: "{{TIME}}",
          },
        ],
      }),
    ],
  },
  "echo-template": {
    about: "the page sent a generic template",
    deliveries: [
      echo({
        app_id: 1517776481860111,
        attachments: [
          {
            title: "Welcome!",
            url: null,
            type: "template",
            payload: {
              template_type: "generic",
              sharable: false,
              elements: [
                {
                  title: "Welcome!",
                  subtitle: "The right hat for everyone",
                  image_url: picture,
                  buttons: [{ type: "postback", title: "Start", payload: "GO" }],
                },
              ],
            },
          },
        ],
      }),
    ],
  },
  "echo-buttons": {
    about: "the page sent a button template",
    deliveries: [
      echo({
        app_id: 1517776481860111,
        attachments: [
          {
            title: "",
            url: null,
            type: "template",
            payload: {
              template_type: "button",
              text: "What next?",
              buttons: [
                { type: "web_url", url: "https://shop.example", title: "Shop" },
                { type: "postback", title: "Talk", payload: "TALK" },
              ],
            },
          },
        ],
      }),
    ],
  },

  // Postbacks and what begins a conversation
  postback: { about: "a button was pressed", deliveries: [{ postback: { mid: "{{MID}}", title: "Order", payload: "ORDER" } }] },
  "postback-no-mid": { about: "a button, without a message id", deliveries: [{ postback: { title: "Order", payload: "ORDER" } }] },
  "postback-json": {
    about: "a button whose payload is JSON",
    deliveries: [{ postback: { mid: "{{MID}}", title: "Order 77", payload: '{"type":"order","id":77}' } }],
  },
  "get-started": {
    about: "Get Started, from a link with a reference",
    deliveries: [
      {
        postback: { title: "Get Started", payload: "GET_STARTED", referral: { ref: "flyer-7", source: "SHORTLINK", type: "OPEN_THREAD" } },
      },
    ],
  },
  "get-started-guest": {
    about: "Get Started by a guest of the website's chat",
    deliveries: [
      {
        postback: {
          title: "Get Started",
          payload: "GET_STARTED",
          referral: {
            ref: "x",
            source: "CUSTOMER_CHAT_PLUGIN",
            type: "OPEN_THREAD",
            is_guest_user: true,
            referer_uri: "https://shop.example/",
          },
        },
      },
    ],
  },
  referral: {
    about: "an m.me link in a conversation that exists",
    deliveries: [{ referral: { ref: "flyer-7", source: "SHORTLINK", type: "OPEN_THREAD" } }],
  },
  "referral-user-ref": {
    about: "an ad, with user_ref beside the sender and the time in seconds",
    deliveries: [
      {
        sender: { id: "{{CUSTOMER}}", user_ref: "u-5678" },
        timestamp: "{{SECONDS}}",
        referral: { ref: "r", ad_id: "a", source: "ADS", type: "OPEN_THREAD" },
      },
    ],
  },
  optin: {
    about: "opted in to messages",
    deliveries: [{ optin: { type: "notification_messages", payload: "NEWS", notification_messages_token: "123", title: "Weekly news" } }],
  },
  "optin-no-sender": {
    about: "the checkbox plugin: no sender",
    deliveries: [
      body("page", {
        messaging: [{ recipient: { id: "{{PAGE}}" }, timestamp: "{{TIME}}", optin: { ref: "checkbox", user_ref: "ref-1" } }],
      }),
    ],
  },
  "account-linking": {
    about: "accounts linked, then unlinked",
    deliveries: [
      [{ account_linking: { status: "linked", authorization_code: "pass-through" } }, { account_linking: { status: "unlinked" } }],
    ],
  },
  "response-feedback": {
    about: "feedback on an automated answer",
    deliveries: [{ response_feedback: { feedback: "Good response", mid: "{{LAST_PAGE}}" } }],
  },
  "messaging-feedback": {
    about: "a filled-in feedback form",
    deliveries: [
      {
        messaging_feedback: {
          feedback_screens: [
            { screen_id: 0, questions: { q1: { type: "csat", payload: "4", follow_up: { type: "free_form", payload: "quick answer" } } } },
          ],
        },
      },
    ],
  },
  policy: {
    about: "Facebook has warned the page",
    deliveries: [
      body("page", {
        messaging: [
          {
            recipient: { id: "{{PAGE}}" },
            timestamp: "{{TIME}}",
            "policy-enforcement": { action: "warning", reason: "The page sent too many unwanted messages." },
          },
        ],
      }),
    ],
  },

  // Handover
  "pass-thread": {
    about: "the inbox passed the thread on",
    deliveries: [{ pass_thread_control: { previous_owner_app_id: null, new_owner_app_id: "{{APP}}", metadata: "from inbox" } }],
  },
  "take-thread": {
    about: "the inbox took the thread",
    deliveries: [{ take_thread_control: { previous_owner_app_id: "{{APP}}", new_owner_app_id: String(INBOX_APP), metadata: "taken" } }],
  },
  "request-thread": {
    about: "another app asks for the thread",
    deliveries: [{ request_thread_control: { requested_owner_app_id: "123456789", metadata: "please" } }],
  },
  "app-roles": {
    about: "roles of apps changed: no sender",
    deliveries: [
      body("page", {
        messaging: [{ recipient: { id: "{{PAGE}}" }, timestamp: "{{TIME}}", app_roles: { "{{APP}}": ["primary_receiver"] } }],
      }),
    ],
  },
  standby: {
    about: "a message while another app owns the thread",
    deliveries: [standby({ message: { mid: "{{MID}}", text: "said to somebody else" } })],
  },
  "standby-postback": {
    about: "a button while another app owns the thread: no payload",
    deliveries: [standby({ postback: { title: "Details" } })],
  },
  "standby-beside": {
    about: "standby beside messaging in one entry",
    deliveries: [
      body("page", {
        messaging: [{ ...CUSTOMER, timestamp: "{{TIME}}", message: { mid: "{{MID:a}}", text: "in messaging" } }],
        standby: [{ ...CUSTOMER, timestamp: "{{TIME+10}}", message: { mid: "{{MID:b}}", text: "in standby" } }],
      }),
    ],
  },
  "changes-beside": {
    about: "a change beside messaging in one entry",
    deliveries: [
      body("page", {
        changes: [{ field: "feed", value: { item: "like", verb: "add" } }],
        messaging: [{ ...CUSTOMER, timestamp: "{{TIME}}", message: { mid: "{{MID}}", text: "beside a change" } }],
      }),
    ],
  },
  "standby-empty-messaging": {
    about: "standby beside an empty messaging",
    deliveries: [
      body("page", {
        messaging: [],
        standby: [{ ...CUSTOMER, timestamp: "{{TIME}}", message: { mid: "{{MID}}", text: "only in standby" } }],
      }),
    ],
  },

  // Changes
  "feed-comment": {
    about: "a comment on a post",
    deliveries: [
      change("page", "feed", {
        from: { id: "{{CUSTOMER}}", name: "Ada Berg" },
        message: "How much?",
        post_id: "{{PAGE}}_5",
        comment_id: "5_6",
        created_time: "{{SECONDS}}",
        item: "comment",
        parent_id: "{{PAGE}}_5",
        verb: "add",
      }),
    ],
  },
  leadgen: {
    about: "a filled-in lead form",
    deliveries: [
      change("page", "leadgen", {
        ad_id: "444",
        form_id: "445",
        leadgen_id: "446",
        created_time: "{{SECONDS}}",
        page_id: "{{PAGE}}",
        adgroup_id: "447",
      }),
    ],
  },
  "test-button": {
    about: 'the dashboard\'s "Test" button',
    deliveries: [
      '{"object":"page","entry":[{"id":"0","time":{{SECONDS}},"changes":[{"field":"messages","value":{"sender":{"id":"12334"},' +
        '"recipient":{"id":"23245"},"timestamp":"1527459824","message":{"mid":"test_message_id","text":"test_message"}}}]}]}',
    ],
  },
  "postback-change": {
    about: "a postback as a change, all of it text, as Meta's page of postbacks prints it",
    deliveries: [
      '{"object":"page","entry":[{"id":"{{PAGE}}","time":{{SECONDS}},"changes":[{"field":"messaging_postbacks","value":{"sender":{"id":"{{CUSTOMER}}"},' +
        '"recipient":{"id":"{{PAGE}}"},"timestamp":"{{SECONDS}}","postback":{"mid":"{{MID}}","title":"Buy","payload":"BUY"}}}]}]}',
    ],
  },
  "test-button-messaging": {
    about: "the same in messaging style, as some saw it",
    deliveries: [
      '{"object":"page","entry":[{"time":{{TIME}},"id":"0","messaging":[{"sender":{"id":"12334"},"recipient":{"id":"23245"},' +
        '"timestamp":"1527459824","message":{"mid":"random_mid","text":"random_text"}}]}]}',
    ],
  },

  // Odd ones
  batch: {
    about: "three messages in one delivery",
    deliveries: [[1, 2, 3].map((n) => ({ message: { mid: `{{MID:${n}}}`, text: `message ${n} of 3` } }))],
  },
  "batch-entries": {
    about: "three entries, one of a page that nobody knows, one event without a sender",
    deliveries: [
      {
        object: "page",
        entry: [
          {
            id: "{{PAGE}}",
            time: "{{TIME}}",
            messaging: [{ ...CUSTOMER, timestamp: "{{TIME}}", message: { mid: "{{MID:a}}", text: "entry 1" } }],
          },
          {
            id: "990000000000077",
            time: "{{TIME}}",
            messaging: [
              {
                sender: { id: "555" },
                recipient: { id: "990000000000077" },
                timestamp: "{{TIME}}",
                message: { mid: "{{MID:z}}", text: "of another page" },
              },
            ],
          },
          {
            id: "{{PAGE}}",
            time: "{{TIME}}",
            messaging: [
              { sender: {}, recipient: { id: "{{PAGE}}" }, timestamp: "{{TIME}}", message: { mid: "{{MID:c}}", text: "no sender" } },
              { ...CUSTOMER, timestamp: "{{TIME+3}}", message: { mid: "{{MID:d}}", text: "entry 3" } },
            ],
          },
        ],
      },
    ],
  },
  "out-of-order": {
    about: "the later message first",
    deliveries: [
      [
        { timestamp: "{{TIME}}", message: { mid: "{{MID:b}}", text: "second" } },
        { timestamp: "{{TIME-1000}}", message: { mid: "{{MID:a}}", text: "first" } },
      ],
    ],
  },
  duplicate: { about: "the same delivery twice", deliveries: [first, first] },
  "duplicate-later": { about: "the same message again with another time", deliveries: [first, { ...first, timestamp: "{{TIME+700}}" }] },
  "time-string": { about: "the time as text", deliveries: ['{"timestamp":"{{TIME}}","message":{"text":"time as text"}}'] },
  "time-seconds": { about: "the time in seconds", deliveries: ['{"timestamp":{{SECONDS}},"message":{"text":"time in seconds"}}'] },
  "time-null": { about: "no time: null", deliveries: ['{"timestamp":null,"message":{"text":"time is null"}}'] },
  "time-iso": { about: "the time as a date", deliveries: ['{"timestamp":"2025-11-25T09:00:00+0000","message":{"text":"time as a date"}}'] },
  "text-null": {
    about: "a picture beside a text that is null",
    deliveries: [{ message: { text: null, attachments: [{ type: "image", payload: { url: picture, sticker_id: null } }] } }],
  },
  "null-members": {
    about: "null for everything that is absent",
    deliveries: [
      '{"message":{"text":"null beside it","attachments":null,"quick_reply":null,"reply_to":null,"is_echo":null,' +
        '"is_deleted":null,"app_id":null},"postback":null,"reaction":null,"read":null,"delivery":null}',
    ],
  },
  numbers: {
    about: "ids as numbers",
    deliveries: [
      '{"object":"page","entry":[{"id":{{PAGE}},"time":{{TIME}},"messaging":[{"sender":{"id":3100000001},"recipient":{"id":{{PAGE}}},' +
        '"timestamp":{{TIME}},"message":{"mid":"{{MID}}","text":"ids are numbers"}}]}]}',
    ],
  },
  "long-numbers": {
    about: "ids as numbers above 2^53: two customers",
    deliveries: [
      '{"object":"page","entry":[{"id":{{PAGE}},"time":{{TIME}},"messaging":[{"sender":{"id":24012345678901233},' +
        '"recipient":{"id":{{PAGE}}},"timestamp":{{TIME}},"message":{"mid":"{{MID:a}}","text":"first customer"}},' +
        '{"sender":{"id":24012345678901234},"recipient":{"id":{{PAGE}}},"timestamp":{{TIME+1}},"message":{"mid":"{{MID:b}}",' +
        '"text":"second customer"}}]}]}',
    ],
  },
  "empty-messaging": { about: "an entry without events", deliveries: [body("page", { messaging: [] })] },
  "empty-entry": { about: "a delivery without entries", deliveries: [{ object: "page", entry: [] }] },
  "object-user": {
    about: "a delivery about another object",
    deliveries: [{ object: "user", entry: [{ id: "0", time: "{{SECONDS}}", changed_fields: ["photos"], uid: "44" }] }],
  },

  // Instagram
  "instagram-text": { about: "Instagram: a text", deliveries: [instagram({ message: { mid: "{{MID}}", text: "hello from Instagram" } })] },
  "instagram-image": {
    about: "Instagram: a picture",
    deliveries: [instagram({ message: { mid: "{{MID}}", attachments: [{ type: "image", payload: { url: picture } }] } })],
  },
  "instagram-story-reply": {
    about: "Instagram: an answer to a story",
    deliveries: [
      instagram({
        message: {
          mid: "{{MID}}",
          text: "lovely!",
          reply_to: { story: { url: "https://lookaside.example/story/3", id: "17900000000000003" } },
        },
      }),
    ],
  },
  "instagram-story-mention": {
    about: "Instagram: mentioned in a story",
    deliveries: [
      instagram({
        message: { mid: "{{MID}}", attachments: [{ type: "story_mention", payload: { url: "https://lookaside.example/story/2" } }] },
      }),
    ],
  },
  "instagram-share": {
    about: "Instagram: a shared post, old form",
    deliveries: [
      instagram({ message: { mid: "{{MID}}", attachments: [{ type: "share", payload: { url: "https://lookaside.example/share/4" } }] } }),
    ],
  },
  "instagram-post": {
    about: "Instagram: a shared post, old and new form in one message",
    deliveries: [
      instagram({
        message: {
          mid: "{{MID}}",
          attachments: ["share", "ig_post"].map((type) => ({
            type,
            payload: { ig_post_media_id: "18130000000000005", title: "Our new workshop", url: "https://lookaside.example/post/5" },
          })),
        },
      }),
    ],
  },
  "instagram-reel": {
    about: "Instagram: a shared reel",
    deliveries: [
      instagram({
        message: {
          mid: "{{MID}}",
          attachments: [
            {
              type: "ig_reel",
              payload: { reel_video_id: "17990000000000006", title: "Our new reel", url: "https://lookaside.example/reel/6" },
            },
          ],
        },
      }),
    ],
  },
  "instagram-heart": {
    about: "Instagram: a heart",
    deliveries: [instagram({ message: { mid: "{{MID}}", attachments: [{ type: "like_heart" }] } })],
  },
  "instagram-unsupported": {
    about: "Instagram: something that its API does not give",
    deliveries: [instagram({ message: { mid: "{{MID}}", is_unsupported: true } })],
  },
  "instagram-unsupported-type": {
    about: "Instagram: an attachment that its API does not give",
    deliveries: [instagram({ message: { mid: "{{MID}}", attachments: [{ type: "unsupported_type", payload: {} }] } })],
  },
  "instagram-edit": {
    about: "Instagram: a message, corrected",
    deliveries: [
      instagram({ message: { mid: "{{MID}}", text: "at 3" } }),
      instagram({ message_edit: { mid: "{{MID}}", text: "at 4", num_edit: 1 } }),
    ],
  },
  "instagram-unsend": {
    about: "Instagram: a message, taken back",
    deliveries: [instagram({ message: { mid: "{{MID}}", text: "oh no" } }), instagram({ message: { mid: "{{MID}}", is_deleted: true } })],
  },
  "instagram-seen": { about: "Instagram: seen", deliveries: [instagram({ read: { mid: "{{LAST_PAGE}}" } })] },
  "instagram-reaction": {
    about: "Instagram: a message and a reaction",
    deliveries: [
      instagram({ message: { mid: "{{MID}}", text: "react to me" } }),
      instagram({ reaction: { mid: "{{MID}}", action: "react", reaction: "love", emoji: "❤️" } }),
    ],
  },
  "instagram-icebreaker": {
    about: "Instagram: a first question was pressed",
    deliveries: [instagram({ postback: { mid: "{{MID}}", title: "Where are you?", payload: "WHERE" } })],
  },
  "instagram-quick-reply": {
    about: "Instagram: a quick reply",
    deliveries: [instagram({ message: { mid: "{{MID}}", text: "Yes", quick_reply: { payload: "YES" } } })],
  },
  "instagram-referral": {
    about: "Instagram: an ig.me link",
    deliveries: [instagram({ referral: { ref: "igme", source: "IGME", type: "OPEN_THREAD" } })],
  },
  "instagram-echo": {
    about: "Instagram: the account answered; no app id",
    deliveries: [
      instagram({
        sender: { id: "{{INSTAGRAM}}" },
        recipient: { id: "{{CUSTOMER}}" },
        message: { mid: "{{MID}}", is_echo: true, text: "sent in the app" },
      }),
    ],
  },
  "instagram-self": {
    about: "Instagram: a note of the account to itself",
    deliveries: [
      instagram({ sender: { id: "{{INSTAGRAM}}" }, message: { mid: "{{MID}}", is_self: true, is_echo: true, text: "note to self" } }),
    ],
  },
  "instagram-standby": {
    about: "Instagram: standby",
    deliveries: [
      body("instagram", {
        standby: [
          {
            sender: { id: "{{CUSTOMER}}" },
            recipient: { id: "{{INSTAGRAM}}" },
            timestamp: "{{TIME}}",
            message: { mid: "{{MID}}", text: "standby" },
          },
        ],
      }),
    ],
  },
  "instagram-comment": {
    about: "Instagram: a comment",
    deliveries: [
      change("instagram", "comments", {
        from: { id: "{{CUSTOMER}}", username: "ada" },
        media: { id: "179", media_product_type: "REELS" },
        id: "180",
        text: "price?",
      }),
    ],
  },

  // WhatsApp
  "whatsapp-text": {
    about: "WhatsApp: a text",
    deliveries: [
      {
        object: "whatsapp_business_account",
        entry: [
          {
            id: "102290129340398",
            changes: [
              {
                field: "messages",
                value: {
                  messaging_product: "whatsapp",
                  metadata: { display_phone_number: "15550001111", phone_number_id: "106540352242922" },
                  contacts: [{ profile: { name: "Ada" }, wa_id: "49300000" }],
                  messages: [{ from: "49300000", id: "wamid.{{MID}}", timestamp: "{{SECONDS+0}}", text: { body: "hi" }, type: "text" }],
                },
              },
            ],
          },
        ],
      },
    ],
  },
} as const satisfies Record<string, Fixture>;

export type FixtureName = keyof typeof fixtures;

/**
 * The deliveries of a fixture as text, names in braces still in them. Times lose the quotes that they have above, except `{{SECONDS+0}}`:
 * WhatsApp's are texts.
 */
export function fixtureTexts(name: FixtureName): string[] {
  const { deliveries } = fixtures[name] as Fixture;
  return deliveries.map((delivery) =>
    typeof delivery === "string"
      ? delivery
      : JSON.stringify(delivery).replaceAll(
          /(?<="(?:time|timestamp|watermark|created_time)":)"(\{\{(?:TIME|SECONDS(?!\+0))[^}]*\}\})"/g,
          "$1",
        ),
  );
}
