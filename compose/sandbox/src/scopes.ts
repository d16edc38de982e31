/** Permissions that tokens carry, and which call needs which. Source: Meta's permissions reference and the pages named in the errors. */

export const allScopes = [
  "public_profile",
  "pages_show_list",
  "pages_manage_metadata",
  "pages_messaging",
  "pages_read_engagement",
  "pages_read_user_content",
  "instagram_basic",
  "instagram_manage_messages",
  "whatsapp_business_management",
  "whatsapp_business_messaging",
] as const;
