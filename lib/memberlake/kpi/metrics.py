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
CLAIMS = (CONTACTS, VOUCHERS)  # what an order may be owed to


@dataclass(frozen=True)
class Measure:
    """What is counted or summed.

    Attributes:
        en, zh: in words.
        needs: tables without which it is unknown, and what is made of it absent.
        also: more tables that it comes from; where they have no row it is counted without them.
    """

    en: str
    zh: str
    needs: tuple[str, ...]
    also: tuple[str, ...] = ()


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
    def needs(self) -> tuple[str, ...]:
        """The tables without which it is absent."""
        return tuple(dict.fromkeys(table for m in self._measures for table in m.needs))

    @property
    def sources(self) -> tuple[str, ...]:
        """All tables that it comes from."""
        return tuple(dict.fromkeys((*self.needs, *(table for m in self._measures for table in m.also))))

    @property
    def _measures(self) -> list[Measure]:
        return [MEASURES[name] for name in (self.numerator, self.denominator) if name]

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
    "new_activated": Measure("members activated in the period; an activation before the registration counts from the registration on", "期内激活会员；早于注册的激活从注册日起计", (MEMBERS,)),
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
    "within_30": Measure(
        "of the members registered in the period, those with a counted order from the day of registration to 30 days after",
        "期内注册且30天内购买的会员",
        (MEMBERS, ORDERS),
    ),
    "within_90": Measure(
        "of the members registered in the period, those with a counted order from the day of registration to 90 days after",
        "期内注册且90天内购买的会员",
        (MEMBERS, ORDERS),
    ),
    "active": Measure("subjects active in the period, each once", "期内活跃用户（每人计一次）", (ACTIVE,)),
    "active_members": Measure("members active in the period, each once", "期内活跃会员", (ACTIVE,)),
    "active_30": Measure("subjects active in the 30 days that end with the day", "近30天活跃用户", (ACTIVE,)),
    "visits": Measure(
        "visits of the period: a session on a business date; without sessions the active day of the member on the event, else of the visitor",
        "期内访问次数：营业日内的一次会话；没有会话时，按事件上的会员（没有会员时按访客）的活跃日",
        (EVENTS,),
    ),
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
    "coupon_orders": Measure("counted orders of the period with a coupon", "期内用券订单数", (ORDERS,), (VOUCHERS,)),
    "coupon_revenue": Measure("net amount of the period's counted orders with a coupon", "期内用券订单净额", (ORDERS,), (VOUCHERS,)),
    "coupon_buyers": Measure("members with a counted order with a coupon in the period", "期内用券会员", (ORDERS,), (VOUCHERS,)),
    "repeat_coupon_buyers": Measure("members with 2 or more counted orders with a coupon in the period", "期内用券下单2次及以上的会员", (ORDERS,), (VOUCHERS,)),
    "plain_orders": Measure("counted orders of the period without a coupon", "期内未用券订单数", (ORDERS,), (VOUCHERS,)),
    "plain_revenue": Measure("net amount of the period's counted orders without a coupon", "期内未用券订单净额", (ORDERS,), (VOUCHERS,)),
    "plain_buyers": Measure("members with a counted order without a coupon in the period", "期内有未用券订单的会员", (ORDERS,), (VOUCHERS,)),
    "repeat_plain_buyers": Measure("members with 2 or more counted orders without a coupon in the period", "期内未用券下单2次及以上的会员", (ORDERS,), (VOUCHERS,)),
    "cost": Measure("media, other, contacts, coupons redeemed and points of the period", "期内媒介、其他、触达、核销的优惠券与积分费用", MONEY),
    "attributed": Measure("net amount of the period's orders that are attributed to marketing", "期内归因于营销的订单净额", (ORDERS,), CLAIMS),
    "unattributed": Measure("net amount of the period's orders that are not attributed to marketing", "期内未归因于营销的订单净额", (ORDERS,), CLAIMS),
    "of_method": Measure("net amount of the period's orders attributed by the method", "期内按该方式归因的订单净额", (ORDERS,), CLAIMS),
    "leads": Measure("responses of type lead in the period", "期内线索数", (RESPONSES,), (CONTACTS,)),
    "winbacks": Measure(
        "members churned on the day before an order of the period that is attributed to a campaign, within its dates",
        "期内在活动期间经活动归因下单、且下单前一日处于流失的会员",
        (CHURN, ORDERS),
        (CAMPAIGNS, *CLAIMS),
    ),
    "goal_cost": Measure("media, other and contacts of the campaigns with that goal in the period", "期内该目标活动的媒介、其他与触达费用", (COSTS, CONTACTS), (CAMPAIGNS,)),
    "goal_reached": Measure("responses to these campaigns in the period that reach the goal", "期内达成该目标的响应数", (RESPONSES,), (CONTACTS, CAMPAIGNS)),
    "churned_in": Measure("members who became churned in the period", "期内新流失会员", (CHURN,)),
    "not_churned": Measure("members not churned at the start of the period", "期初未流失会员", (CHURN,)),
    "churned": Measure("members churned at the end of the period", "期末流失会员", (CHURN,)),
    "all_members": Measure("members known at the end of the period", "期末全部会员", (CHURN,)),
    "returned": Measure("members who ceased to be churned in the period", "期内结束流失的会员", (CHURN,)),
    "trend": Measure("least-squares slope over the last complete periods", "最近各完整周期的最小二乘斜率", (KPI,)),
    "change": Measure("revenue of the period less that of the period before", "本期与上期订单净额之差", (ORDERS,)),
    "change_members": Measure("part of the change of revenue that is owed to the number of ordering members; all of members' change where they ordered in one of the two periods only", "订单金额变化中由下单会员数引起的部分；若两期中只有一期有会员下单，则会员带来的变化全部计入", (ORDERS,)),
    "change_frequency": Measure("part of the change of revenue that is owed to orders per member", "订单金额变化中由人均订单数引起的部分", (ORDERS,)),
    "change_order_value": Measure("part of the change of revenue that is owed to the value of an order", "订单金额变化中由平均订单价值引起的部分", (ORDERS,)),
    "change_guests": Measure("part of the change of revenue that is owed to orders of guests", "订单金额变化中由非会员订单引起的部分", (ORDERS,)),
}  # fmt: skip

MEMBER, ORDER = ("member",), ("order",)
MARKETING = ("order", "method", "campaign")

_GROUPS: dict[str, tuple[Metric, ...]] = {
    "Members and conversion": (
        Metric("registered_members", "Registered members", "累计注册会员", "How many have ever registered.", "累计有多少人注册。", "registered", None, "members", "up", MEMBER),
        Metric("new_registered_members", "New registered members", "新增注册会员", "How many registered.", "本期有多少人注册。", "new_registered", None, "members", "up", MEMBER),
        Metric("activated_members", "Activated members", "累计激活会员", "How many have ever activated their membership.", "累计有多少人激活会员身份。", "activated", None, "members", "up", MEMBER),
        Metric("new_activated_members", "New activated members", "新增激活会员", "How many activated their membership.", "本期有多少人激活会员身份。", "new_activated", None, "members", "up", MEMBER),
        Metric("activation_rate", "Activation rate", "激活率", "What part of the registered is activated.", "注册会员中已激活的占比。", "activated", "registered", "share", "up", MEMBER),
        Metric("purchasing_members", "Members who ever bought", "累计购买会员", "How many have ever bought.", "累计有多少会员购买过。", "purchasing", None, "members", "up", MEMBER),
        Metric("new_purchasing_members", "New purchasing members", "新增购买会员", "How many bought for the first time.", "本期有多少会员首次购买。", "new_purchasing", None, "members", "up", MEMBER),
        Metric("register_to_purchase_rate", "Registration to purchase", "注册购买转化率", "What part of the registered has ever bought.", "注册会员中购买过的占比。", "purchasing", "registered", "share", "up", MEMBER),
        Metric("activate_to_purchase_rate", "Buyers per activated member", "每激活会员对应购买会员", "Buyers for each activated member; buyers need not be activated, so it may be above 100 %.", "每个激活会员对应的购买会员数；购买会员不一定已激活，因此可超过 100%。", "purchasing", "activated", "share", "neither", MEMBER),
        Metric("register_to_purchase_7d_rate", "Bought within 7 days", "注册7天内购买率", "What part of those who registered bought within 7 days; complete when the last of them had 7 days.", "本期注册的会员中7天内购买的占比；最后注册者满7天后才完整。", "within_7", "new_registered", "share", "up", MEMBER),
        Metric("register_to_purchase_30d_rate", "Bought within 30 days", "注册30天内购买率", "What part of those who registered bought within 30 days; complete when the last of them had 30 days.", "本期注册的会员中30天内购买的占比；最后注册者满30天后才完整。", "within_30", "new_registered", "share", "up", MEMBER),
        Metric("register_to_purchase_90d_rate", "Bought within 90 days", "注册90天内购买率", "What part of those who registered bought within 90 days; complete when the last of them had 90 days.", "本期注册的会员中90天内购买的占比；最后注册者满90天后才完整。", "within_90", "new_registered", "share", "up", MEMBER),
        Metric("reachable_members", "Reachable members", "可营销会员", "How many can be contacted and agreed to it, by any channel and by each.", "有多少会员可以触达且同意接收，合计与分渠道。", "reachable", None, "members", "up", ("member", "channel")),
    ),
    "Activity": (
        Metric("active_subjects", "Active users", "活跃用户", "Who was there, members and anonymous visitors: DAU, WAU and MAU. Periods before the first event have no row.", "来过的会员与匿名访客：日活、周活、月活。首个事件之前的时期没有数据。", "active", None, "subjects", "up", ("channel", "kind")),
        Metric("activity_rate", "Activity rate", "会员活跃率", "What part of the registered members was active. Periods before the first event have no row.", "注册会员中活跃的占比。首个事件之前的时期没有数据。", "active_members", "registered", "share", "up"),
        Metric("stickiness", "Stickiness", "用户粘性", "What part of the users of the last 30 days came on the day. Days before the first event have no row.", "近30天用户中当天来访的占比。首个事件之前的日期没有数据。", "active", "active_30", "share", "up"),
        Metric("visits", "Visits", "访问次数", "How often someone came.", "来访了多少次。", "visits", None, "visits", "up"),
        Metric("orders_per_visit", "Orders per visit since the start", "累计每次访问订单数", "Lifetime conversion: orders for each visit, since the first data.", "自有数据以来，每次访问带来的订单数。", "all_orders", "life_visits", "ratio", "up"),
    ),
    "Orders and value": (
        Metric("orders", "Orders", "订单数", "How many orders count, guests' too.", "有效订单数，含非会员订单。", "orders", None, "orders", "up", ORDER),
        Metric("revenue", "Revenue", "订单金额", "What the orders are worth after discounts and refunds.", "扣除折扣与退款后的订单金额。", "revenue", None, "money", "up", ORDER),
        Metric("ordering_members", "Members who ordered in the period", "本期下单会员", "How many members ordered.", "有多少会员下单。", "buyers", None, "members", "up", ORDER),
        Metric("member_orders", "Members' orders", "会员订单数", "How many of the orders are members'.", "有效订单中会员的订单数。", "member_orders", None, "orders", "up", ORDER),
        Metric("member_revenue", "Members' revenue", "会员订单金额", "What members' orders are worth after discounts and refunds.", "会员订单扣除折扣与退款后的金额。", "member_revenue", None, "money", "up", ORDER),
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
        Metric("coupon_member_ratio", "Share of ordering members using coupons", "用券会员占比", "What part of the ordering members used a coupon.", "下单会员中用过券的占比。", "coupon_buyers", "buyers", "share", "neither", ORDER),
        Metric("coupon_amount_ratio", "Share of revenue with coupons", "用券金额占比", "What part of revenue came with a coupon.", "订单金额中用券订单的占比。", "coupon_revenue", "revenue", "share", "neither", ORDER),
        Metric("coupon_order_ratio", "Share of orders with coupons", "用券订单占比", "What part of the orders came with a coupon.", "订单中用券订单的占比。", "coupon_orders", "orders", "share", "neither", ORDER),
        Metric("coupon_aov", "Order value with coupon", "用券平均订单价值", "What an order with a coupon is worth.", "用券订单的平均金额。", "coupon_revenue", "coupon_orders", "money", "up", ORDER),
        Metric("coupon_repurchase_rate", "Repurchase with coupons", "用券复购率", "What part of the members using coupons did so more than once.", "用券会员中用券下单不止一次的占比。", "repeat_coupon_buyers", "coupon_buyers", "share", "up", ORDER),
        Metric("no_coupon_member_ratio", "Share of members ordering without coupon", "未用券会员占比", "What part of the ordering members ordered without a coupon, perhaps besides.", "下单会员中有未用券订单的占比，可能也用过券。", "plain_buyers", "buyers", "share", "neither", ORDER),
        Metric("no_coupon_amount_ratio", "Share of revenue without coupons", "未用券金额占比", "What part of revenue came without a coupon.", "订单金额中未用券订单的占比。", "plain_revenue", "revenue", "share", "neither", ORDER),
        Metric("no_coupon_order_ratio", "Share of orders without coupons", "未用券订单占比", "What part of the orders came without a coupon.", "订单中未用券订单的占比。", "plain_orders", "orders", "share", "neither", ORDER),
        Metric("no_coupon_aov", "Order value without coupon", "未用券平均订单价值", "What an order without a coupon is worth.", "未用券订单的平均金额。", "plain_revenue", "plain_orders", "money", "up", ORDER),
        Metric("no_coupon_repurchase_rate", "Repurchase without coupons", "未用券复购率", "What part of the members ordering without a coupon did so more than once.", "未用券下单的会员中这样下单不止一次的占比。", "repeat_plain_buyers", "plain_buyers", "share", "up", ORDER),
    ),
    "Marketing money": (
        Metric("marketing_cost", "Marketing cost", "营销费用", "What marketing cost. A coupon costs what its redemption in force is worth: a return takes it off again.", "营销花了多少。优惠券按有效核销计：退回即冲销。", "cost", None, "money", "down", ("cost_type", "campaign")),
        Metric("marketing_revenue", "Marketing revenue", "营销收入", "Revenue attributed to marketing, each order once.", "归因于营销的收入，每单只计一次。", "attributed", None, "money", "up", MARKETING),
        Metric("marketing_cost_ratio", "Marketing cost ratio", "营销费率", "What a unit of marketing revenue cost; by campaign: of the orders that are owed to it.", "每一元营销收入花费多少；按活动时，只计归因于该活动的订单。", "cost", "attributed", "ratio", "down", ("campaign",)),
        Metric("unattributed_revenue", "Unattributed revenue", "未归因收入", "Revenue that no marketing can claim.", "任何营销都不能认领的收入。", "unattributed", None, "money", "neither", ORDER),
        Metric("attributed_share", "Share of revenue by attribution", "归因收入占比", "What part of revenue each method attributes, and the rest (unattributed); over all: what part is attributed.", "每种归因方式占收入的比例，以及未归因部分；合计为已归因的比例。", "of_method", "revenue", "share", "up", ("method",)),
        Metric("cost_per_registration", "All marketing cost per registration", "每注册营销总费用", "All marketing cost, whatever it was for, for each new registration.", "全部营销费用（不论用途）除以新注册会员数。", "cost", "new_registered", "money", "down"),
        Metric("cost_per_order", "All marketing cost per order", "每订单营销总费用", "All marketing cost for each order. By campaign: over the orders that are owed to it.", "全部营销费用除以订单数。按活动时，只计归因于该活动的订单。", "cost", "orders", "money", "down", ("campaign",)),
        Metric("cost_per_member", "All marketing cost per ordering member", "每下单会员营销总费用", "All marketing cost for each ordering member. By campaign: over the orders that are owed to it.", "全部营销费用除以下单会员数。按活动时，只计归因于该活动的订单。", "cost", "buyers", "money", "down", ("campaign",)),
        Metric("leads", "Leads", "线索数", "How many contacts led to a lead.", "触达带来了多少线索。", "leads", None, "leads", "up", ("campaign",)),
        Metric("winbacks", "Win-backs", "赢回会员", "How many churned members a campaign brought back to order.", "活动让多少流失会员重新下单。", "winbacks", None, "members", "up"),
        Metric("cost_per_lead", "All marketing cost per lead", "每线索营销总费用", "All marketing cost, whatever it was for, for each lead; by campaign: the campaign's.", "全部营销费用（不论用途）除以线索数；按活动时为该活动的费用。", "cost", "leads", "money", "down", ("campaign",)),
        Metric("cost_per_winback", "All marketing cost per win-back", "每赢回营销总费用", "All marketing cost, whatever it was for, for each win-back.", "全部营销费用（不论用途）除以赢回会员数。", "cost", "winbacks", "money", "down"),
        Metric("cost_per_goal", "Cost per goal", "每目标成本", "What it cost to reach a goal once. By goal only, not over all.", "达成一次目标花费多少。只按目标统计，没有合计。", "goal_cost", "goal_reached", "money", "down", ("goal",)),
    ),
    "Movement": (
        Metric("churned_members", "Newly churned members", "新增流失会员", "How many became churned.", "本期有多少会员变为流失。", "churned_in", None, "members", "down", ("member", "kind", "permanence")),
        Metric("returned_members", "Returned members", "回流会员", "How many churned members came back.", "本期有多少流失会员回来。", "returned", None, "members", "up", MEMBER),
        Metric("churn_rate", "Churn rate", "流失率", "What part of the members not churned at the start of the period became churned in it.", "期初未流失的会员中变为流失的占比。", "churned_in", "not_churned", "share", "down", MEMBER),
        Metric("churned_share", "Churned share", "流失会员占比", "What part of all members is churned.", "全部会员中已流失的占比。", "churned", "all_members", "share", "down", ("member", "kind", "permanence")),
        Metric("movement_ratio", "Movement ratio", "新增流失比", "New buyers for each newly churned member: at 1 as many come as go, above it the brand grows, below it shrinks.", "每个新流失会员对应的新购买会员：1 为进出相当，高于 1 增长，低于 1 萎缩。", "new_purchasing", "churned_in", "ratio", "up", MEMBER),
        Metric("new_purchasing_members_trend", "Trend of new purchasing members", "新增购买会员趋势", "Change of new purchasing members from period to period.", "新增购买会员逐期的变化。", "trend", None, "slope", "up"),
        Metric("churned_members_trend", "Trend of newly churned members", "新增流失会员趋势", "Change of newly churned members from period to period.", "新增流失会员逐期的变化。", "trend", None, "slope", "down"),
        Metric("returned_members_trend", "Trend of returned members", "回流会员趋势", "Change of returned members from period to period.", "回流会员逐期的变化。", "trend", None, "slope", "up"),
        Metric("churn_rate_trend", "Trend of the churn rate", "流失率趋势", "Change of the churn rate from period to period.", "流失率逐期的变化。", "trend", None, "slope", "down"),
        Metric("churned_share_trend", "Trend of the churned share", "流失会员占比趋势", "Change of the churned share from period to period.", "流失会员占比逐期的变化。", "trend", None, "slope", "down"),
        Metric("movement_ratio_trend", "Trend of the movement ratio", "新增流失比趋势", "Change of the movement ratio from period to period.", "新增流失比逐期的变化。", "trend", None, "slope", "up"),
        Metric("revenue_change", "Change of revenue", "订单金额变化", "Revenue less that of the period before; of a running period, than that of its same days. The first period has no row.", "与上期相比的收入变化；未完的时期与上期同日相比。第一个时期没有数据。", "change", None, "money", "up"),
        Metric("revenue_change_members", "Change of revenue by members", "因会员数", "What the number of ordering members changed of revenue.", "收入变化中由下单会员数带来的部分。", "change_members", None, "money", "up"),
        Metric("revenue_change_frequency", "Change of revenue by orders per member", "因人均订单数", "What the orders per member changed of revenue.", "收入变化中由人均订单数带来的部分。", "change_frequency", None, "money", "up"),
        Metric("revenue_change_order_value", "Change of revenue by order value", "因订单价值", "What the value of an order changed of revenue.", "收入变化中由平均订单价值带来的部分。", "change_order_value", None, "money", "up"),
        Metric("revenue_change_guests", "Change of revenue by guests", "因非会员订单", "What orders of guests changed of revenue.", "收入变化中由非会员订单带来的部分。", "change_guests", None, "money", "up"),
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
