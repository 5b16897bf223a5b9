"""Silver: facts and dimensions as the business recorded them, conformed. Filled by ingest."""

from memberlake.lake.contract import (
    ATTRIBUTES,
    BOOL,
    DATE,
    DOUBLE,
    INT,
    LONG,
    MONEY,
    QUANTITY,
    STRING,
    STRINGS,
    TS,
    Column,
    Table,
)

_RECORDED_AT = Column("recorded_at", TS, "when the source recorded this version; the latest wins, NULL is the oldest")

MEMBERS = Table(
    "silver",
    "members",
    grain="one member",
    key=("member_id",),
    version="recorded_at",
    happened_at="registered_at",
    columns=(
        Column("member_id", STRING, "the member, as the source names them", required=True),
        Column("source", STRING, "system that registered the member", required=True),
        Column("registered_at", TS, "instant of registration", required=True),
        Column("activated_at", TS, "instant of first activation, NULL while not activated"),
        Column("gender", STRING, "F, M or U (unknown)", allowed=("F", "M", "U")),
        Column("birth_date", DATE, "date of birth", span="any"),
        Column("city", STRING, "city of residence"),
        Column("occupation", STRING, "occupation"),
        Column("brand", STRING, "brand of the group that the member belongs to"),
        Column("has_phone", BOOL, "a phone number is known"),
        Column("has_email", BOOL, "an e-mail address is known"),
        Column("has_qq", BOOL, "a QQ account is known"),
        Column("has_wechat", BOOL, "a WeChat account is known"),
        Column("consent_sms", BOOL, "agreed to marketing by SMS"),
        Column("consent_email", BOOL, "agreed to marketing by e-mail"),
        Column("consent_qq", BOOL, "agreed to marketing by QQ"),
        Column("consent_wechat", BOOL, "agreed to marketing by WeChat"),
        Column("acquisition_channel", STRING, "channel that won the member"),
        Column("is_employee", BOOL, "works for the brand"),
        Column("attributes", ATTRIBUTES, "anything else that the source knows, name to value"),
        Column("recorded_at", TS, "when the source recorded this version; the latest wins", required=True),
    ),
)

ORDERS = Table(
    "silver",
    "orders",
    grain="one order, in its latest state",
    key=("order_id",),
    version="updated_at",
    happened_at="ordered_at",
    columns=(
        Column("order_id", STRING, "the order", required=True),
        Column("member_id", STRING, "who ordered, NULL for a guest"),
        Column("ordered_at", TS, "instant of the order; its business date is the order's day", required=True),
        Column("status", STRING, "one of orders.statuses in the configuration", required=True),
        Column("channel", STRING, "sales channel"),
        Column("store_id", STRING, "store, NULL online"),
        Column("gross_amount", MONEY, "goods before discounts and refunds", required=True),
        Column("discount_amount", MONEY, "discounts on the goods, a positive number"),
        Column("net_amount", MONEY, "goods less discounts and refunds, shipping excluded", required=True),
        Column("refunded_amount", MONEY, "refunded so far, a positive number"),
        Column("voucher_id", STRING, "voucher redeemed on the order"),
        Column("coupon_id", STRING, "coupon of that voucher"),
        Column("coupon_amount", MONEY, "value of the coupons used on the order, whoever bears it"),
        Column("promo_code", STRING, "promotion code entered"),
        Column("marked_channel", STRING, "marketing channel that the order is marked with"),
        Column("campaign_id", STRING, "campaign that the source credits"),
        Column("points_redeemed", LONG, "points paid with", minimum=0),
        Column("points_granted", LONG, "points earned", minimum=0),
        Column("updated_at", TS, "when the source last changed the order; the latest wins", required=True),
    ),
)

ORDER_LINES = Table(
    "silver",
    "order_lines",
    grain="one line of an order",
    key=("order_id", "line_no"),
    version="recorded_at",
    columns=(
        Column("order_id", STRING, "the order", required=True),
        Column("line_no", INT, "number of the line within the order", required=True),
        Column("product_id", STRING, "the product", required=True),
        Column("quantity", QUANTITY, "units, in the product's unit", required=True, minimum=0),
        Column("amount", MONEY, "paid for the line, discounts taken off", required=True),
        _RECORDED_AT,
    ),
)

PRODUCTS = Table(
    "silver",
    "products",
    grain="one product",
    key=("product_id",),
    version="recorded_at",
    columns=(
        Column("product_id", STRING, "the product", required=True),
        Column("name", STRING, "its name"),
        # `all` is the scope of every category together in gold.rfm_scores
        Column("category", STRING, "category, the unit of scores by category", reserved=("all",)),
        Column("subcategory", STRING, "category within the category"),
        Column("brand", STRING, "product brand"),
        _RECORDED_AT,
    ),
)

EVENTS = Table(
    "silver",
    "events",
    grain="one thing that a visitor did",
    key=("event_id",),
    version="received_at",
    happened_at="occurred_at",
    columns=(
        Column("event_id", STRING, "the event", required=True),
        Column("visitor_id", STRING, "device, cookie or account that did it", required=True),
        Column("member_id", STRING, "the member, when known at the time"),
        Column("session_id", STRING, "the visit that the event belongs to"),
        Column(
            "event_type",
            STRING,
            "visit, login, page_view, search, download, video_play, add_to_cart, campaign_enquiry, unsubscribe, "
            "blacklist, check_in or any other",
            required=True,
        ),
        Column("occurred_at", TS, "instant by the visitor's clock", required=True),
        Column("channel", STRING, "site, app, mini program, store"),
        Column("object_id", STRING, "what it was done to: page, product, campaign"),
        Column("received_at", TS, "instant of receipt; the latest version of an event wins", required=True),
    ),
)

CAMPAIGNS = Table(
    "silver",
    "campaigns",
    grain="one campaign",
    key=("campaign_id",),
    version="recorded_at",
    columns=(
        Column("campaign_id", STRING, "the campaign", required=True),
        Column("name", STRING, "its name"),
        Column("kind", STRING, "the brand's own classification"),
        Column("channel", STRING, "main channel"),
        Column("starts_on", DATE, "first day", required=True, span="planned"),
        Column("ends_on", DATE, "last day", required=True, span="planned"),
        Column("is_care", BOOL, "a care campaign: an unanswered one is a sign of churn"),
        Column("goal", STRING, "what it is to reach: registration, order, win-back, lead, ..."),
        _RECORDED_AT,
    ),
)

CAMPAIGN_CONTACTS = Table(
    "silver",
    "campaign_contacts",
    grain="one message of a campaign to a member",
    key=("contact_id",),
    version="recorded_at",
    happened_at="sent_at",
    columns=(
        Column("contact_id", STRING, "the contact", required=True),
        Column("campaign_id", STRING, "the campaign", required=True),
        Column("member_id", STRING, "who was contacted", required=True),
        Column("channel", STRING, "sms, email, qq, wechat, app_push, mail", required=True),
        Column("sent_at", TS, "instant of sending", required=True),
        Column("message_id", STRING, "which text was sent"),
        Column("cost", MONEY, "cost of the contact", minimum=0),
        Column("is_control", BOOL, "held out on purpose: nothing was sent"),
        _RECORDED_AT,
    ),
)

CAMPAIGN_RESPONSES = Table(
    "silver",
    "campaign_responses",
    grain="one response to a contact",
    key=("response_id",),
    version="recorded_at",
    happened_at="responded_at",
    columns=(
        Column("response_id", STRING, "the response", required=True),
        Column("contact_id", STRING, "the contact that it answers", required=True),
        Column("responded_at", TS, "instant of the response", required=True),
        Column(
            "response_type",
            STRING,
            "open, click, reply, lead or conversion",
            required=True,
            allowed=("open", "click", "reply", "lead", "conversion"),
        ),
        _RECORDED_AT,
    ),
)

CAMPAIGN_COSTS = Table(
    "silver",
    "campaign_costs",
    grain="what a campaign cost on a day, by type",
    key=("campaign_id", "cost_date", "cost_type"),
    version="recorded_at",
    columns=(
        Column("campaign_id", STRING, "the campaign", required=True),
        Column("cost_date", DATE, "business date", required=True),
        Column("cost_type", STRING, "media or other", required=True, allowed=("media", "other")),
        Column("amount", MONEY, "cost of the day", required=True),
        _RECORDED_AT,
    ),
)

COUPONS = Table(
    "silver",
    "coupons",
    grain="one version of a coupon's definition",
    key=("coupon_id", "valid_from_version"),
    version="recorded_at",
    columns=(
        Column("coupon_id", STRING, "the coupon: an offer, of which vouchers are issued", required=True),
        Column("valid_from_version", TS, "when this definition was recorded", required=True, span="planned"),
        Column("name", STRING, "its name"),
        Column("campaign_id", STRING, "campaign, when the definition names one"),
        Column("face_value", MONEY, "value of one voucher, NULL for a rate", minimum=0),
        Column("discount_rate", DOUBLE, "share taken off, 0..1, NULL for a value", minimum=0, maximum=1),
        Column("min_spend", MONEY, "least order amount to redeem", minimum=0),
        Column("valid_from", TS, "first instant of validity", span="planned"),
        Column("valid_to", TS, "instant at which validity ends", span="planned"),
        Column("product_ids", STRINGS, "products that it is for, NULL for all"),
        _RECORDED_AT,
    ),
)

COUPON_CAMPAIGNS = Table(
    "silver",
    "coupon_campaigns",
    grain="one declared link of a coupon to a campaign",
    key=("coupon_id", "campaign_id"),
    columns=(
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("campaign_id", STRING, "the campaign", required=True),
    ),
)

COUPON_CAMPAIGN_OVERRIDES = Table(
    "silver",
    "coupon_campaign_overrides",
    grain="one decision by hand: these vouchers of a coupon belong to this campaign",
    key=("coupon_id", "voucher_id", "from_on", "to_on", "decided_at"),  # an earlier day goes by the earlier decision
    version="decided_at",
    columns=(
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("voucher_id", STRING, "one voucher, NULL for every voucher in the dates"),
        Column("from_on", DATE, "first day, NULL for no limit", span="planned"),
        Column("to_on", DATE, "last day, NULL for no limit", span="planned"),
        Column("campaign_id", STRING, "the campaign decided on", required=True),
        Column("decided_by", STRING, "who decided"),
        Column("decided_at", TS, "instant of the decision; the latest wins", required=True),
    ),
)

COUPON_EVENTS = Table(
    "silver",
    "coupon_events",
    grain="one event in the life of a voucher",
    key=("event_id",),
    version="received_at",
    happened_at="occurred_at",
    columns=(
        Column("event_id", STRING, "the event", required=True),
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("voucher_id", STRING, "the issued copy, NULL when the source has no number"),
        Column("member_id", STRING, "the member, when known"),
        Column(
            "event_type",
            STRING,
            "issued, claimed, redeemed, returned or voided",
            required=True,
            allowed=("issued", "claimed", "redeemed", "returned", "voided"),
        ),
        Column("occurred_at", TS, "instant of the event", required=True),
        Column("order_id", STRING, "order that redeemed or returned it"),
        Column("campaign_id", STRING, "campaign, where the source recorded it"),
        Column("channel", STRING, "where it happened"),
        Column("amount", MONEY, "value redeemed"),
        Column("received_at", TS, "instant of receipt; the latest version of an event wins", required=True),
    ),
)

TABLES = (
    MEMBERS,
    ORDERS,
    ORDER_LINES,
    PRODUCTS,
    EVENTS,
    CAMPAIGNS,
    CAMPAIGN_CONTACTS,
    CAMPAIGN_RESPONSES,
    CAMPAIGN_COSTS,
    COUPONS,
    COUPON_CAMPAIGNS,
    COUPON_CAMPAIGN_OVERRIDES,
    COUPON_EVENTS,
)
