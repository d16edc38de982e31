/**
 * The fields that can be subscribed to, by object. Source of the page's: Meta's own SDK (facebook-nodejs-business-sdk 24.0.1,
 * Page.SubscribedFields); the others: webhook reference pages, 2026, the messaging part complete.
 */
import { graphErrors } from "./errors.ts";

const names = {
  page: `
    affiliation attire awards bio birthday business_integrity call_permission_reply call_settings_update calls category
    checkins comment_poll_response company_overview conversations culinary_team current_location description email
    feature_access_list feed follow founded general_info general_manager group_feed hometown hours inbox_labels
    invalid_topic_placeholder invoice_access_bank_slip_events invoice_access_invoice_change
    invoice_access_invoice_draft_change invoice_access_onboarding_status_active leadgen leadgen_fat live_videos
    local_delivery location marketing_message_delivery_failed marketing_message_echoes
    marketing_messages_subscriber_upload_status mcom_invoice_change members mention merchant_review message_context
    message_deliveries message_echoes message_edits message_mention message_reactions message_reads
    message_template_status_update messages messaging_account_linking messaging_appointments messaging_checkout_updates
    messaging_customer_information messaging_direct_sends messaging_fblogin_account_linking messaging_feedback
    messaging_game_plays messaging_handovers messaging_in_thread_lead_form_submit messaging_integrity messaging_optins
    messaging_optouts messaging_payments messaging_policy_enforcement messaging_postbacks messaging_pre_checkouts
    messaging_referrals mission name page_about_story page_change_proposal page_upcoming_change parking payment_options
    payment_request_update personal_info personal_interests phone picture price_range product_review products public_transit
    publisher_subscriptions ratings registration response_feedback send_cart standby story_poll_response story_share
    user_action video_text_question_responses videos website
  `,
  instagram: `
    comments live_comments mentions message_edit message_reactions messages messaging_handover messaging_optins
    messaging_postbacks messaging_referral messaging_seen response_feedback standby story_insights
  `,
  whatsapp_business_account: `
    account_alerts account_review_update account_update business_capability_update business_status_update calls flows
    history message_echoes message_template_components_update message_template_quality_update message_template_status_update
    messages phone_number_name_update phone_number_quality_update security smb_app_state_sync smb_message_echoes
    template_category_update user_preferences
  `,
  user: `
    about birthday email events feed friends location name photos picture status
  `,
  permissions: "connected email manage_pages pages_manage_metadata pages_messaging pages_show_list public_profile",
  payments: "actions disputes",
};

const fieldsByObject = new Map(Object.entries(names).map(([object, text]) => [object, text.split(/\s+/).filter(Boolean)]));

/** Of an app's webhook: Meta's sample of /{app-id}/subscriptions has it, its list of a page's fields has not. */
const SAMPLE_FIELD = "about";

/** Throws GraphError 100 for an object that has no webhooks here. */
export function requireKnownObject(object: string): void {
  if (!fieldsByObject.has(object)) throw graphErrors.parameterWrong("object", `must be one of {${[...fieldsByObject.keys()].join(", ")}}`);
}

/** Throws GraphError 100 for a field that the object does not have. Shape of the text: restfb/restfb#1210. */
export function requireKnownFields(parameter: string, object: string, fields: string[]): void {
  const known = fieldsByObject.get(object) ?? [];
  const index = fields.findIndex((field) => !known.includes(field) && !(parameter === "fields" && field === SAMPLE_FIELD));
  if (index !== -1) throw graphErrors.parameterWrong(`${parameter}[${index}]`, `must be one of {${known.join(", ")}}`);
}
