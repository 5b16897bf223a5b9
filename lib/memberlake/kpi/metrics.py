"""The metrics of member operation, each declared once: gold.kpi, docs/metrics.md and the report read them from here."""
# ruff: noqa: E501 - a metric stands in one line, as in a table

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["members", "subjects", "visits", "orders", "leads", "money", "share", "ratio", "slope"]
Good = Literal["up", "down", "neither"]

MEMBERS, ORDERS, EVENTS = "silver.members", "silver.orders", "silver.events"
COSTS, CONTACTS = "silver.campaign_costs", "silver.campaign_contacts"
RESPONSES, CAMPAIGNS = "silver.campaign_responses", "silver.campaigns"
VOUCHERS, ACTIVE, CHURN, KPI = "gold.vouchers", "gold.active_counts", "gold.churn_status", "gold.kpi"
MONEY = (COSTS, CONTACTS, ORDERS, VOUCHERS)


@dataclass(frozen=True)
class Measure:
    """What is counted or summed.

    Attributes:
        en, zh: in words.
        sources: tables that it comes from; where none of them has a row, what is made of it is absent.
    """

    en: str
    zh: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """One name in gold.kpi.

    Attributes:
        en, zh: label.
        sentence, sentence_zh: what it tells.
        numerator, denominator: names in MEASURES; without a denominator the value is the numerator.
        good: the direction that is good.
        by: besides `all`: "member" stands for the dimensions of kpi.dimensions that describe members, "order" for all of
            kpi.dimensions; any other is a dimension of the metric's own.
        group: heading of docs/metrics.md and page of the report.
    """

    name: str
    en: str
    zh: str
    sentence: str
    sentence_zh: str
    numerator: str
    denominator: str | None = None
    unit: Unit = "share"
    good: Good = "up"
    by: tuple[str, ...] = ()
    group: str = ""

    @property
    def formula(self) -> str:
        of = MEASURES[self.numerator].en
        return f"{of} / {MEASURES[self.denominator].en}" if self.denominator else of

    @property
    def formula_zh(self) -> str:
        of = MEASURES[self.numerator].zh
        return f"{of} / {MEASURES[self.denominator].zh}" if self.denominator else of

    @property
    def sources(self) -> tuple[str, ...]:
        of = MEASURES[self.numerator].sources + (MEASURES[self.denominator].sources if self.denominator else ())
        return tuple(dict.fromkeys(of))

    @property
    def zero_rule(self) -> str:
        if self.unit == "slope":
            return "no row before there are two complete periods with a value"
        if self.denominator:
            return "NULL when the denominator is 0; numerator and denominator are kept"
        return "0 when nothing happened; no row while the source tables are empty"


MEASURES = {
    "registered": Measure("members registered by the end of the period", "期末累计注册会员", (MEMBERS,)),
    "new_registered": Measure("members registered in the period", "期内注册会员", (MEMBERS,)),
    "activated": Measure("members activated by the end of the period", "期末累计激活会员", (MEMBERS,)),
    "new_activated": Measure("members activated in the period", "期内激活会员", (MEMBERS,)),
    "reachable": Measure(
        "members registered by the end of the period who have an address of the channel and consented to it",
        "期末累计注册、有联系方式且同意接收营销的会员",
        (MEMBERS,),
    ),
    "purchasing": Measure(
        "members whose first counted order is not after the end of the period", "期末累计购买会员", (ORDERS,)
    ),
    "new_purchasing": Measure("members whose first counted order is in the period", "期内首次购买会员", (ORDERS,)),
    "within_7": Measure(
        "of the members registered in the period, those with a counted order from the day of registration to 7 days after",
        "期内注册且7天内购买的会员",
        (MEMBERS, ORDERS),
    ),
    "within_30": Measure("the same, to 30 days after", "期内注册且30天内购买的会员", (MEMBERS, ORDERS)),
    "within_90": Measure("the same, to 90 days after", "期内注册且90天内购买的会员", (MEMBERS, ORDERS)),
    "active": Measure("subjects active in the period, each once", "期内活跃用户(每人计一次)", (ACTIVE,)),
    "active_members": Measure("members active in the period, each once", "期内活跃会员", (ACTIVE,)),
    "active_30": Measure("subjects active in the 30 days that end with the day", "近30天活跃用户", (ACTIVE,)),
    "visits": Measure("visits: a session on a business date, or a subject's active day without one", "期内访问次数", (EVENTS,)),
    "life_visits": Measure("visits up to the end of the period", "期末累计访问次数", (EVENTS,)),
    "orders": Measure("counted orders of the period", "期内订单数", (ORDERS,)),
    "revenue": Measure("net amount of the period's counted orders", "期内订单净额", (ORDERS,)),
    "member_orders": Measure("counted orders of members in the period", "期内会员订单数", (ORDERS,)),
    "member_revenue": Measure("net amount of members' counted orders in the period", "期内会员订单净额", (ORDERS,)),
    "buyers": Measure("members with a counted order in the period", "期内下单会员", (ORDERS,)),
    "repeat_buyers": Measure("members with 2 or more counted orders in the period", "期内下单2次及以上的会员", (ORDERS,)),
    "life_revenue": Measure("net amount of members' counted orders up to the end of the period", "期末累计会员订单净额", (ORDERS,)),
    "life_orders": Measure("counted orders of members up to the end of the period", "期末累计会员订单数", (ORDERS,)),
    "all_orders": Measure("counted orders up to the end of the period, guests' too", "期末累计订单数", (ORDERS,)),
    "coupon_orders": Measure("counted orders of the period with a coupon", "期内用券订单数", (ORDERS,)),
    "coupon_revenue": Measure("net amount of the period's counted orders with a coupon", "期内用券订单净额", (ORDERS,)),
    "coupon_buyers": Measure("members with a counted order with a coupon in the period", "期内用券会员", (ORDERS,)),
    "repeat_coupon_buyers": Measure("members with 2 or more such orders", "期内用券下单2次及以上的会员", (ORDERS,)),
    "plain_orders": Measure("counted orders of the period without a coupon", "期内未用券订单数", (ORDERS,)),
    "plain_revenue": Measure("net amount of the period's counted orders without a coupon", "期内未用券订单净额", (ORDERS,)),
    "plain_buyers": Measure("members with a counted order without a coupon in the period", "期内有未用券订单的会员", (ORDERS,)),
    "repeat_plain_buyers": Measure("members with 2 or more such orders", "期内未用券下单2次及以上的会员", (ORDERS,)),
    "cost": Measure("media, contacts, coupons redeemed and points of the period", "期内媒介、触达、优惠券与积分费用", MONEY),
    "attributed": Measure("net amount of the period's orders that are attributed to marketing", "期内归因于营销的订单净额", (ORDERS,)),
    "unattributed": Measure("net amount of the period's orders that are not", "期内未归因的订单净额", (ORDERS,)),
    "of_method": Measure("net amount of the period's orders attributed by the method", "期内按该方式归因的订单净额", (ORDERS,)),
    "leads": Measure("responses of type lead in the period", "期内线索数", (RESPONSES,)),
    "winbacks": Measure(
        "members churned on the day before an order of the period that is attributed to a campaign, within its dates",
        "期内在活动期间经活动归因下单、且下单前一日处于流失的会员",
        (CHURN, ORDERS, CAMPAIGNS),
    ),
    "goal_cost": Measure("media and contacts of the campaigns with that goal in the period", "期内该目标活动的媒介与触达费用", (COSTS, CONTACTS)),
    "goal_reached": Measure("responses to these campaigns that count for the goal (kpi.goals)", "期内达成该目标的响应数", (RESPONSES,)),
    "churned_in": Measure("members who became churned in the period", "期内新流失会员", (CHURN,)),
    "not_churned": Measure("members not churned at the start of the period", "期初未流失会员", (CHURN,)),
    "churned": Measure("members churned at the end of the period", "期末流失会员", (CHURN,)),
    "all_members": Measure("members known at the end of the period", "期末全部会员", (CHURN,)),
    "returned": Measure("members who ceased to be churned in the period", "期内结束流失的会员", (CHURN,)),
    "trend": Measure("least-squares slope over the last kpi.trend_periods complete periods", "近若干个完整周期的最小二乘斜率", (KPI,)),
    "change": Measure("revenue of the period less that of the period before", "本期与上期订单净额之差", (ORDERS,)),
    "change_members": Measure("part of it owed to the number of ordering members", "其中由下单会员数引起的部分", (ORDERS,)),
    "change_frequency": Measure("part of it owed to orders per member", "其中由人均订单数引起的部分", (ORDERS,)),
    "change_order_value": Measure("part of it owed to the value of an order", "其中由平均订单价值引起的部分", (ORDERS,)),
    "change_guests": Measure("part of it owed to orders of guests", "其中由非会员订单引起的部分", (ORDERS,)),
}  # fmt: skip

MEMBER, ORDER = ("member",), ("order",)
MARKETING = ("order", "method", "campaign")

_GROUPS: dict[str, tuple[Metric, ...]] = {
    "Members and conversion": (
        Metric("registered_members", "Registered members", "累积注册会员", "How many have ever registered.", "累计有多少人注册。", "registered", None, "members", "up", MEMBER),
        Metric("new_registered_members", "New registered members", "新增注册会员", "How many registered.", "本期有多少人注册。", "new_registered", None, "members", "up", MEMBER),
        Metric("activated_members", "Activated members", "累积激活会员", "How many have ever activated their membership.", "累计有多少人激活会员身份。", "activated", None, "members", "up", MEMBER),
        Metric("new_activated_members", "New activated members", "新增激活会员", "How many activated their membership.", "本期有多少人激活会员身份。", "new_activated", None, "members", "up", MEMBER),
        Metric("activation_rate", "Activation rate", "激活率", "What part of the registered is activated.", "注册会员中已激活的占比。", "activated", "registered", "share", "up", MEMBER),
        Metric("purchasing_members", "Purchasing members", "累积购买会员", "How many have ever bought.", "累计有多少会员购买过。", "purchasing", None, "members", "up", MEMBER),
        Metric("new_purchasing_members", "New purchasing members", "新增购买会员", "How many bought for the first time.", "本期有多少会员首次购买。", "new_purchasing", None, "members", "up", MEMBER),
        Metric("register_to_purchase_rate", "Registration to purchase", "注册购买转化率", "What part of the registered has ever bought.", "注册会员中购买过的占比。", "purchasing", "registered", "share", "up", MEMBER),
        Metric("activate_to_purchase_rate", "Activation to purchase", "激活购买转化率", "Buyers for each activated member.", "每个激活会员对应的购买会员数。", "purchasing", "activated", "share", "up", MEMBER),
        Metric("register_to_purchase_7d_rate", "Bought within 7 days", "注册7天内购买率", "What part of those who registered bought within 7 days; complete when the last of them had 7 days.", "本期注册的会员中7天内购买的占比；最后注册者满7天后才完整。", "within_7", "new_registered", "share", "up", MEMBER),
        Metric("register_to_purchase_30d_rate", "Bought within 30 days", "注册30天内购买率", "The same within 30 days.", "同上，30天内。", "within_30", "new_registered", "share", "up", MEMBER),
        Metric("register_to_purchase_90d_rate", "Bought within 90 days", "注册90天内购买率", "The same within 90 days.", "同上，90天内。", "within_90", "new_registered", "share", "up", MEMBER),
        Metric("reachable_members", "Reachable members", "可营销会员", "How many can be contacted and agreed to it, by any channel and by each.", "有多少会员可以触达且同意接收，合计与分渠道。", "reachable", None, "members", "up", ("member", "channel")),
    ),
    "Activity": (
        Metric("active_subjects", "Active users", "活跃用户", "Who was there, members and anonymous visitors: DAU, WAU and MAU.", "来过的会员与匿名访客：日活、周活、月活。", "active", None, "subjects", "up", ("channel", "kind")),
        Metric("activity_rate", "Activity rate", "会员活跃率", "What part of the registered members was active.", "注册会员中活跃的占比。", "active_members", "registered", "share", "up"),
        Metric("stickiness", "Stickiness", "用户粘性", "What part of a month's users comes on a day.", "近30天用户中当天来访的占比。", "active", "active_30", "share", "up"),
        Metric("visits", "Visits", "访问次数", "How often someone came.", "来访了多少次。", "visits", None, "visits", "up"),
        Metric("orders_per_visit", "Orders per visit", "访问转化率", "Lifetime conversion: orders for each visit, since the first data.", "终身转化：自有数据以来，每次访问带来的订单数。", "all_orders", "life_visits", "ratio", "up"),
    ),
    "Orders and value": (
        Metric("orders", "Orders", "订单数", "How many orders count, guests' too.", "有效订单数，含非会员订单。", "orders", None, "orders", "up", ORDER),
        Metric("revenue", "Revenue", "订单金额", "What they are worth after discounts and refunds.", "扣除折扣与退款后的订单金额。", "revenue", None, "money", "up", ORDER),
        Metric("ordering_members", "Ordering members", "下单会员", "How many members ordered.", "有多少会员下单。", "buyers", None, "members", "up", ORDER),
        Metric("member_orders", "Members' orders", "会员订单数", "How many of the orders are members'.", "其中会员的订单数。", "member_orders", None, "orders", "up", ORDER),
        Metric("member_revenue", "Members' revenue", "会员订单金额", "What these are worth.", "会员订单的金额。", "member_revenue", None, "money", "up", ORDER),
        Metric("average_order_value", "Average order value", "平均订单价值", "What one order is worth.", "平均每单的金额。", "revenue", "orders", "money", "up", ORDER),
        Metric("orders_per_member", "Orders per member", "人均订单数", "How often an ordering member ordered.", "下单会员平均下了多少单。", "member_orders", "buyers", "ratio", "up", ORDER),
        Metric("repurchase_rate", "Repurchase rate", "复购率", "What part of the ordering members ordered more than once in the period.", "下单会员中本期购买不止一次的占比。", "repeat_buyers", "buyers", "share", "up", ORDER),
        Metric("lifetime_value", "Lifetime value so far", "终身价值", "What a member who ever bought has brought so far.", "购买过的会员迄今平均贡献的金额。", "life_revenue", "purchasing", "money", "up", MEMBER),
        Metric("lifetime_orders", "Lifetime orders", "终身订单量", "How often a member who ever bought has ordered so far.", "购买过的会员迄今平均下了多少单。", "life_orders", "purchasing", "ratio", "up", MEMBER),
        Metric("lifetime_average_order_value", "Lifetime average order", "终身平均订单价值", "What a member's order has been worth so far.", "会员订单迄今的平均金额。", "life_revenue", "life_orders", "money", "up", MEMBER),
        Metric("revenue_per_registration", "Revenue per registration", "每注册收入", "Revenue for each new registration.", "每个新注册会员对应的收入。", "revenue", "new_registered", "money", "up", MEMBER),
        Metric("revenue_per_order", "Revenue per order", "每订单收入", "Revenue for each order.", "每个订单的收入。", "revenue", "orders", "money", "up", ORDER),
        Metric("revenue_per_member", "Revenue per member", "每会员收入", "Members' revenue for each ordering member.", "每个下单会员的收入。", "member_revenue", "buyers", "money", "up", ORDER),
    ),
    "Coupons": (
        Metric("coupon_member_ratio", "Members using coupons", "用券会员比例", "What part of the ordering members used a coupon.", "下单会员中用过券的占比。", "coupon_buyers", "buyers", "share", "neither", ORDER),
        Metric("coupon_amount_ratio", "Amount with coupons", "用券金额比例", "What part of revenue came with a coupon.", "订单金额中用券订单的占比。", "coupon_revenue", "revenue", "share", "neither", ORDER),
        Metric("coupon_order_ratio", "Orders with coupons", "用券订单比例", "What part of the orders came with a coupon.", "订单中用券订单的占比。", "coupon_orders", "orders", "share", "neither", ORDER),
        Metric("coupon_aov", "Order value with coupon", "用券平均订单价值", "What an order with a coupon is worth.", "用券订单的平均金额。", "coupon_revenue", "coupon_orders", "money", "up", ORDER),
        Metric("coupon_repurchase_rate", "Repurchase with coupons", "用券复购率", "What part of the members using coupons did so more than once.", "用券会员中用券下单不止一次的占比。", "repeat_coupon_buyers", "coupon_buyers", "share", "up", ORDER),
        Metric("no_coupon_member_ratio", "Members ordering without coupon", "未用券会员比例", "What part of the ordering members ordered without a coupon, perhaps besides.", "下单会员中有未用券订单的占比，可能也用过券。", "plain_buyers", "buyers", "share", "neither", ORDER),
        Metric("no_coupon_amount_ratio", "Amount without coupons", "未用券金额比例", "What part of revenue came without a coupon.", "订单金额中未用券订单的占比。", "plain_revenue", "revenue", "share", "neither", ORDER),
        Metric("no_coupon_order_ratio", "Orders without coupons", "未用券订单比例", "What part of the orders came without a coupon.", "订单中未用券订单的占比。", "plain_orders", "orders", "share", "neither", ORDER),
        Metric("no_coupon_aov", "Order value without coupon", "未用券平均订单价值", "What an order without a coupon is worth.", "未用券订单的平均金额。", "plain_revenue", "plain_orders", "money", "up", ORDER),
        Metric("no_coupon_repurchase_rate", "Repurchase without coupons", "未用券复购率", "What part of the members ordering without a coupon did so more than once.", "未用券下单的会员中这样下单不止一次的占比。", "repeat_plain_buyers", "plain_buyers", "share", "up", ORDER),
    ),
    "Marketing money": (
        Metric("marketing_cost", "Marketing cost", "营销费用", "What marketing cost, by kind of cost and by campaign.", "营销花了多少，按费用类型与活动。", "cost", None, "money", "down", ("cost_type", "campaign")),
        Metric("marketing_revenue", "Marketing revenue", "营销收入", "Revenue attributed to marketing, each order once.", "归因于营销的收入，每单只计一次。", "attributed", None, "money", "up", MARKETING),
        Metric("marketing_cost_ratio", "Marketing cost ratio", "营销费率", "What a unit of marketing revenue cost.", "每一元营销收入花费多少。", "cost", "attributed", "ratio", "down", ("campaign",)),
        Metric("unattributed_revenue", "Unattributed revenue", "未归因收入", "Revenue that no marketing can claim.", "任何营销都不能认领的收入。", "unattributed", None, "money", "neither", ORDER),
        Metric("attributed_share", "Share of revenue by attribution", "归因收入占比", "What part of revenue each method attributes, and the rest (none); all: what part is attributed.", "每种归因方式占收入的比例，以及未归因部分（none）；合计为已归因的比例。", "of_method", "revenue", "share", "up", ("method",)),
        Metric("cost_per_registration", "Cost per registration", "每注册成本", "Marketing cost for each new registration.", "每个新注册会员的营销费用。", "cost", "new_registered", "money", "down"),
        Metric("cost_per_order", "Cost per order", "每订单成本", "Marketing cost for each order.", "每个订单的营销费用。", "cost", "orders", "money", "down", ("campaign",)),
        Metric("cost_per_member", "Cost per member", "每会员成本", "Marketing cost for each ordering member.", "每个下单会员的营销费用。", "cost", "buyers", "money", "down", ("campaign",)),
        Metric("leads", "Leads", "线索数", "How many contacts led to a lead.", "触达带来了多少线索。", "leads", None, "leads", "up", ("campaign",)),
        Metric("winbacks", "Win-backs", "赢回会员", "How many churned members a campaign brought back to order.", "活动让多少流失会员重新下单。", "winbacks", None, "members", "up"),
        Metric("cost_per_lead", "Cost per lead", "每线索成本", "Marketing cost for each lead.", "每条线索的营销费用。", "cost", "leads", "money", "down", ("campaign",)),
        Metric("cost_per_winback", "Cost per win-back", "每赢回成本", "Marketing cost for each win-back.", "每赢回一名会员的营销费用。", "cost", "winbacks", "money", "down"),
        Metric("cost_per_goal", "Cost per goal", "每目标成本", "What reaching a goal of kpi.goals cost.", "达成一次 kpi.goals 中的目标花费多少。", "goal_cost", "goal_reached", "money", "down", ("goal",)),
    ),
    "Movement": (
        Metric("churned_members", "Newly churned members", "新增流失会员", "How many became churned.", "本期有多少会员变为流失。", "churned_in", None, "members", "down", ("member", "kind", "permanence")),
        Metric("returned_members", "Returned members", "回流会员", "How many churned members came back.", "本期有多少流失会员回来。", "returned", None, "members", "up"),
        Metric("churn_rate", "Churn rate", "流失率", "What part of those who were there became churned.", "期初未流失的会员中变为流失的占比。", "churned_in", "not_churned", "share", "down", MEMBER),
        Metric("churned_share", "Churned share", "流失会员占比", "What part of all members is churned.", "全部会员中已流失的占比。", "churned", "all_members", "share", "down", ("member", "kind", "permanence")),
        Metric("movement_ratio", "Movement ratio", "异动比", "New buyers for each newly churned member: 1 is balance, above growth, below drying up.", "每个新流失会员对应的新购买会员：1 为平衡，高于 1 增长，低于 1 萎缩。", "new_purchasing", "churned_in", "ratio", "up", MEMBER),
        Metric("new_purchasing_members_trend", "Trend of new purchasing members", "新增购买会员趋势", "Change of new purchasing members from period to period.", "新增购买会员逐期的变化。", "trend", None, "slope", "up"),
        Metric("churned_members_trend", "Trend of newly churned members", "新增流失会员趋势", "Change of newly churned members from period to period.", "新增流失会员逐期的变化。", "trend", None, "slope", "down"),
        Metric("returned_members_trend", "Trend of returned members", "回流会员趋势", "Change of returned members from period to period.", "回流会员逐期的变化。", "trend", None, "slope", "up"),
        Metric("churn_rate_trend", "Trend of the churn rate", "流失率趋势", "Change of the churn rate from period to period.", "流失率逐期的变化。", "trend", None, "slope", "down"),
        Metric("churned_share_trend", "Trend of the churned share", "流失会员占比趋势", "Change of the churned share from period to period.", "流失会员占比逐期的变化。", "trend", None, "slope", "down"),
        Metric("movement_ratio_trend", "Trend of the movement ratio", "异动比趋势", "Change of the movement ratio from period to period.", "异动比逐期的变化。", "trend", None, "slope", "up"),
        Metric("revenue_change", "Change of revenue", "订单金额变化", "Revenue less that of the period before; of a running period, than that of its same days.", "与上期相比的收入变化；未完的时期与上期同日相比。", "change", None, "money", "up"),
        Metric("revenue_change_members", "... by members", "变化:会员数", "What the number of ordering members changed of it.", "其中由下单会员数带来的变化。", "change_members", None, "money", "up"),
        Metric("revenue_change_frequency", "... by orders per member", "变化:人均订单数", "What the orders per member changed of it.", "其中由人均订单数带来的变化。", "change_frequency", None, "money", "up"),
        Metric("revenue_change_order_value", "... by order value", "变化:订单价值", "What the value of an order changed of it.", "其中由平均订单价值带来的变化。", "change_order_value", None, "money", "up"),
        Metric("revenue_change_guests", "... by guests", "变化:非会员订单", "What orders of guests changed of it.", "其中由非会员订单带来的变化。", "change_guests", None, "money", "up"),
    ),
}  # fmt: skip

METRICS: dict[str, Metric] = {
    metric.name: Metric(**{**vars(metric), "group": group}) for group, metrics in _GROUPS.items() for metric in metrics
}

COHORT_DAYS = (7, 30, 90)  # their metrics are named by them
COHORT = tuple(f"register_to_purchase_{days}d_rate" for days in COHORT_DAYS)
WAITS = dict(zip(COHORT, COHORT_DAYS, strict=True))  # days after its end until a period's number is known
ACTIVITY = ("active_subjects", "activity_rate", "stickiness")
CHURN_METRICS = ("churned_members", "returned_members", "churn_rate", "churned_share")
TRENDS = {name: name.removesuffix("_trend") for name in METRICS if name.endswith("_trend")}
CHANGES = tuple(name for name in METRICS if name.startswith("revenue_change"))
# made of stored metrics and of gold.active_counts
DERIVED = (*ACTIVITY, "orders_per_visit", "attributed_share", "movement_ratio", *TRENDS, *CHANGES)
OPERATION = tuple(name for name in METRICS if name not in {*COHORT, *CHURN_METRICS, *DERIVED, "visits"})
