"""The metrics of member operation, each declared once: gold.kpi, docs/metrics.md and the report read them from here."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

Unit = Literal["members", "subjects", "visits", "orders", "leads", "money", "share", "ratio", "slope"]
Good = Literal["up", "down", "neither"]

MEMBERS, ORDERS, EVENTS = "silver.members", "silver.orders", "silver.events"
COSTS, CONTACTS = "silver.campaign_costs", "silver.campaign_contacts"
RESPONSES, CAMPAIGNS = "silver.campaign_responses", "silver.campaigns"
VOUCHERS, ACTIVE, CHURN, KPI = "gold.vouchers", "gold.active_counts", "gold.churn_status", "gold.kpi"
MONEY = (COSTS, CONTACTS, ORDERS, VOUCHERS)
CLAIMS = (CONTACTS, VOUCHERS)  # what an order may be owed to
COHORT_DAYS = (7, 30, 90)  # that a cohort has to buy; its metrics are named by them


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
        numerator, denominator: names in MEASURES; without a denominator the value is the numerator.
        good: the direction that is good.
        by: besides `all`: "member" stands for the dimensions in kpi.dimensions that describe members, "order" for all
            of kpi.dimensions; any other is a dimension of the metric's own.
        group: heading of docs/metrics.md.
        en, zh: label.
        sentence, sentence_zh: what it says.
    """

    name: str
    numerator: str
    denominator: str | None = None
    unit: Unit = "share"
    good: Good = "up"
    by: tuple[str, ...] = ()
    group: str = ""
    _: KW_ONLY
    en: str
    sentence: str
    zh: str
    sentence_zh: str

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
        return tuple(dict.fromkeys(table for m in self.measures for table in MEASURES[m].needs))

    @property
    def sources(self) -> tuple[str, ...]:
        """All tables that it comes from."""
        return tuple(dict.fromkeys((*self.needs, *(table for m in self.measures for table in MEASURES[m].also))))

    @property
    def measures(self) -> list[str]:
        """The names in MEASURES of what it is made of."""
        return [name for name in (self.numerator, self.denominator) if name]

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
    "new_activated": Measure(
        "members activated in the period; an activation before the registration counts from the registration on",
        "期内激活会员；早于注册的激活从注册日起计", (MEMBERS,)),
    "reachable": Measure(
        "members registered by the end of the period who have an address of the channel and consented to it",
        "期末累计注册、有联系方式且同意接收营销的会员", (MEMBERS,)),
    "purchasing": Measure("members whose first counted order is not after the end of the period",
        "期末累计购买会员", (ORDERS,)),
    "new_purchasing": Measure("members whose first counted order is in the period", "期内首次购买会员", (ORDERS,)),
    **{
        f"within_{days}": Measure(
            "of the members registered in the period, those with a counted order from the day of registration to "
            f"{days} days after",
            f"期内注册且{days}天内购买的会员",
            (MEMBERS, ORDERS),
        )
        for days in COHORT_DAYS
    },
    "active": Measure("subjects active in the period, each once", "期内活跃用户（每人计一次）", (ACTIVE,)),
    "active_members": Measure("members active in the period, each once", "期内活跃会员", (ACTIVE,)),
    "active_30": Measure("subjects active in the 30 days that end with the day", "近30天活跃用户", (ACTIVE,)),
    "visits": Measure(
        "visits of the period: a session on a business date; without sessions the "
        "active day of the member on the event, else of the visitor",
        "期内访问次数：营业日内的一次会话；没有会话时，按事件上的会员（没有会员时按访客）的活跃日", (EVENTS,)),
    "life_visits": Measure("visits up to the end of the period", "期末累计访问次数", (EVENTS,)),
    "orders": Measure("counted orders of the period", "期内订单数", (ORDERS,)),
    "revenue": Measure("net amount of the period's counted orders", "期内订单净额", (ORDERS,)),
    "member_orders": Measure("counted orders of members in the period", "期内会员订单数", (ORDERS,)),
    "member_revenue": Measure("net amount of members' counted orders in the period", "期内会员订单净额", (ORDERS,)),
    "buyers": Measure("members with a counted order in the period", "期内下单会员", (ORDERS,)),
    "repeat_buyers": Measure("members with 2 or more counted orders in the period",
        "期内下单2次及以上的会员", (ORDERS,)),
    "life_revenue": Measure("net amount of members' counted orders up to the end of the period",
        "期末累计会员订单净额", (ORDERS,)),
    "life_orders": Measure("counted orders of members up to the end of the period", "期末累计会员订单数", (ORDERS,)),
    "all_orders": Measure("counted orders up to the end of the period, guests' too", "期末累计订单数", (ORDERS,)),
    "coupon_orders": Measure("counted orders of the period with a coupon", "期内用券订单数", (ORDERS,), (VOUCHERS,)),
    "coupon_revenue": Measure("net amount of the period's counted orders with a coupon",
        "期内用券订单净额", (ORDERS,), (VOUCHERS,)),
    "coupon_buyers": Measure("members with a counted order with a coupon in the period",
        "期内用券会员", (ORDERS,), (VOUCHERS,)),
    "repeat_coupon_buyers": Measure("members with 2 or more counted orders with a coupon in the period",
        "期内用券下单2次及以上的会员", (ORDERS,), (VOUCHERS,)),
    "plain_orders": Measure("counted orders of the period without a coupon",
        "期内未用券订单数", (ORDERS,), (VOUCHERS,)),
    "plain_revenue": Measure("net amount of the period's counted orders without a coupon",
        "期内未用券订单净额", (ORDERS,), (VOUCHERS,)),
    "plain_buyers": Measure("members with a counted order without a coupon in the period",
        "期内有未用券订单的会员", (ORDERS,), (VOUCHERS,)),
    "repeat_plain_buyers": Measure("members with 2 or more counted orders without a coupon in the period",
        "期内未用券下单2次及以上的会员", (ORDERS,), (VOUCHERS,)),
    "cost": Measure("media, other, contacts, coupons redeemed and points of the period",
        "期内媒介、其他、触达、核销的优惠券与积分费用", MONEY),
    "attributed": Measure("net amount of the period's orders that are attributed to marketing",
        "期内归因于营销的订单净额", (ORDERS,), CLAIMS),
    "unattributed": Measure("net amount of the period's orders that are not attributed to marketing",
        "期内未归因于营销的订单净额", (ORDERS,), CLAIMS),
    "of_method": Measure("net amount of the period's orders attributed by the method",
        "期内按该方式归因的订单净额", (ORDERS,), CLAIMS),
    "leads": Measure("responses of type lead in the period", "期内线索数", (RESPONSES,), (CONTACTS,)),
    "winbacks": Measure(
        "members churned on the day before an order of the period that is attributed to a campaign, within its dates",
        "期内在活动期间经活动归因下单、且下单前一日处于流失的会员", (CHURN, ORDERS), (CAMPAIGNS, *CLAIMS)),
    "goal_cost": Measure("media, other and contacts of the campaigns with that goal in the period",
        "期内该目标活动的媒介、其他与触达费用", (COSTS, CONTACTS), (CAMPAIGNS,)),
    "goal_reached": Measure("responses to these campaigns in the period that reach the goal",
        "期内达成该目标的响应数", (RESPONSES,), (CONTACTS, CAMPAIGNS)),
    "churned_in": Measure("members who became churned in the period", "期内新流失会员", (CHURN,)),
    "not_churned": Measure("members not churned at the start of the period", "期初未流失会员", (CHURN,)),
    "churned": Measure("members churned at the end of the period", "期末流失会员", (CHURN,)),
    "all_members": Measure("members known at the end of the period", "期末全部会员", (CHURN,)),
    "returned": Measure("members who ceased to be churned in the period", "期内结束流失的会员", (CHURN,)),
    "trend": Measure("least-squares slope over the last complete periods", "最近各完整周期的最小二乘斜率", (KPI,)),
    "change": Measure("revenue of the period less that of the period before", "本期与上期订单净额之差", (ORDERS,)),
    "change_members": Measure(
        "part of the change of revenue that is owed to the number of ordering members; all of "
        "members' change where they ordered in one of the two periods only",
        "订单金额变化中由下单会员数引起的部分；若两期中只有一期有会员下单，则会员带来的变化全部计入", (ORDERS,)),
    "change_frequency": Measure("part of the change of revenue that is owed to orders per member",
        "订单金额变化中由人均订单数引起的部分", (ORDERS,)),
    "change_order_value": Measure("part of the change of revenue that is owed to the value of an order",
        "订单金额变化中由平均订单价值引起的部分", (ORDERS,)),
    "change_guests": Measure("part of the change of revenue that is owed to orders of guests",
        "订单金额变化中由非会员订单引起的部分", (ORDERS,)),
}  # fmt: skip

MEMBER, ORDER = ("member",), ("order",)
MARKETING = ("order", "method", "campaign")
# name, the direction that is good, and what labels call it
_WITH_TREND: tuple[tuple[str, Good, str, str], ...] = (
    ("new_purchasing_members", "up", "new purchasing members", "新增购买会员"),
    ("churned_members", "down", "newly churned members", "新增流失会员"),
    ("returned_members", "up", "returned members", "回流会员"),
    ("churn_rate", "down", "the churn rate", "流失率"),
    ("churned_share", "down", "the churned share", "流失会员占比"),
    ("movement_ratio", "up", "the movement ratio", "新增流失比"),
)

_GROUPS: dict[str, tuple[Metric, ...]] = {
    "Members and conversion": (
        Metric("registered_members", "registered", unit="members", by=MEMBER,
            en="Registered members", sentence="How many have ever registered.",
            zh="累计注册会员", sentence_zh="累计有多少人注册。"),
        Metric("new_registered_members", "new_registered", unit="members", by=MEMBER,
            en="New registered members", sentence="How many registered.",
            zh="新增注册会员", sentence_zh="本期有多少人注册。"),
        Metric("activated_members", "activated", unit="members", by=MEMBER,
            en="Activated members", sentence="How many have ever activated their membership.",
            zh="累计激活会员", sentence_zh="累计有多少人激活会员身份。"),
        Metric("new_activated_members", "new_activated", unit="members", by=MEMBER,
            en="New activated members", sentence="How many activated their membership.",
            zh="新增激活会员", sentence_zh="本期有多少人激活会员身份。"),
        Metric("activation_rate", "activated", "registered", by=MEMBER,
            en="Activation rate", sentence="What part of the registered is activated.",
            zh="激活率", sentence_zh="注册会员中已激活的占比。"),
        Metric("purchasing_members", "purchasing", unit="members", by=MEMBER,
            en="Members who ever bought", sentence="How many have ever bought.",
            zh="累计购买会员", sentence_zh="累计有多少会员购买过。"),
        Metric("new_purchasing_members", "new_purchasing", unit="members", by=MEMBER,
            en="New purchasing members", sentence="How many bought for the first time.",
            zh="新增购买会员", sentence_zh="本期有多少会员首次购买。"),
        Metric("register_to_purchase_rate", "purchasing", "registered", by=MEMBER,
            en="Registration to purchase", sentence="What part of the registered has ever bought.",
            zh="注册购买转化率", sentence_zh="注册会员中购买过的占比。"),
        Metric("activate_to_purchase_rate", "purchasing", "activated", good="neither", by=MEMBER,
            en="Buyers per activated member",
            sentence="Buyers for each activated member; buyers need not be activated, so it may be above 100 %.",
            zh="每激活会员对应购买会员",
            sentence_zh="每个激活会员对应的购买会员数；购买会员不一定已激活，因此可超过 100%。"),
        *[
            Metric(f"register_to_purchase_{days}d_rate", f"within_{days}", "new_registered", by=MEMBER,
                en=f"Bought within {days} days",
                sentence=f"What part of those who registered bought within {days} days; "
                         f"complete when the last of them had {days} days.",
                zh=f"注册{days}天内购买率",
                sentence_zh=f"本期注册的会员中{days}天内购买的占比；最后注册者满{days}天后才完整。")
            for days in COHORT_DAYS
        ],
        Metric("reachable_members", "reachable", unit="members", by=("member", "channel"),
            en="Reachable members", sentence="How many can be contacted and agreed to it, by any channel and by each.",
            zh="可营销会员", sentence_zh="有多少会员可以触达且同意接收，合计与分渠道。"),
    ),
    "Activity": (
        Metric("active_subjects", "active", unit="subjects", by=("channel", "kind"),
            en="Active users",
            sentence="Who was there, members and anonymous visitors: DAU, WAU and MAU. "
                     "Periods before the first event have no row.",
            zh="活跃用户", sentence_zh="来过的会员与匿名访客：日活、周活、月活。首个事件之前的时期没有数据。"),
        Metric("activity_rate", "active_members", "registered",
            en="Activity rate",
            sentence="What part of the registered members was active. Periods before the first event have no row.",
            zh="会员活跃率", sentence_zh="注册会员中活跃的占比。首个事件之前的时期没有数据。"),
        Metric("stickiness", "active", "active_30",
            en="Stickiness",
            sentence="What part of the users of the last 30 days came on the day. "
                     "Days before the first event have no row.",
            zh="用户粘性", sentence_zh="近30天用户中当天来访的占比。首个事件之前的日期没有数据。"),
        Metric("visits", "visits", unit="visits",
            en="Visits", sentence="How often someone came.",
            zh="访问次数", sentence_zh="来访了多少次。"),
        Metric("orders_per_visit", "all_orders", "life_visits", unit="ratio",
            en="Orders per visit since the start",
            sentence="Lifetime conversion: orders for each visit, since the first data.",
            zh="累计每次访问订单数", sentence_zh="自有数据以来，每次访问带来的订单数。"),
    ),
    "Orders and value": (
        Metric("orders", "orders", unit="orders", by=ORDER,
            en="Orders", sentence="How many orders count, guests' too.",
            zh="订单数", sentence_zh="有效订单数，含非会员订单。"),
        Metric("revenue", "revenue", unit="money", by=ORDER,
            en="Revenue", sentence="What the orders are worth after discounts and refunds.",
            zh="订单金额", sentence_zh="扣除折扣与退款后的订单金额。"),
        Metric("ordering_members", "buyers", unit="members", by=ORDER,
            en="Members who ordered in the period", sentence="How many members ordered.",
            zh="本期下单会员", sentence_zh="有多少会员下单。"),
        Metric("member_orders", "member_orders", unit="orders", by=ORDER,
            en="Members' orders", sentence="How many of the orders are members'.",
            zh="会员订单数", sentence_zh="有效订单中会员的订单数。"),
        Metric("member_revenue", "member_revenue", unit="money", by=ORDER,
            en="Members' revenue", sentence="What members' orders are worth after discounts and refunds.",
            zh="会员订单金额", sentence_zh="会员订单扣除折扣与退款后的金额。"),
        Metric("average_order_value", "revenue", "orders", unit="money", by=ORDER,
            en="Average order value", sentence="What one order is worth.",
            zh="平均订单价值", sentence_zh="平均每单的金额。"),
        Metric("orders_per_member", "member_orders", "buyers", unit="ratio", by=ORDER,
            en="Orders per member", sentence="How often an ordering member ordered.",
            zh="人均订单数", sentence_zh="下单会员平均下了多少单。"),
        Metric("repurchase_rate", "repeat_buyers", "buyers", by=ORDER,
            en="Repurchase rate", sentence="What part of the ordering members ordered more than once in the period.",
            zh="复购率", sentence_zh="下单会员中本期购买不止一次的占比。"),
        Metric("lifetime_value", "life_revenue", "purchasing", unit="money", by=MEMBER,
            en="Lifetime value so far", sentence="What a member who ever bought has brought so far.",
            zh="终身价值", sentence_zh="购买过的会员迄今平均贡献的金额。"),
        Metric("lifetime_orders", "life_orders", "purchasing", unit="ratio", by=MEMBER,
            en="Lifetime orders", sentence="How often a member who ever bought has ordered so far.",
            zh="终身订单量", sentence_zh="购买过的会员迄今平均下了多少单。"),
        Metric("lifetime_average_order_value", "life_revenue", "life_orders", unit="money", by=MEMBER,
            en="Lifetime average order", sentence="What a member's order has been worth so far.",
            zh="终身平均订单价值", sentence_zh="会员订单迄今的平均金额。"),
        Metric("revenue_per_registration", "revenue", "new_registered", unit="money", by=MEMBER,
            en="Revenue per registration", sentence="Revenue for each new registration.",
            zh="每注册收入", sentence_zh="每个新注册会员对应的收入。"),
        Metric("revenue_per_order", "revenue", "orders", unit="money", by=ORDER,
            en="Revenue per order", sentence="Revenue for each order.",
            zh="每订单收入", sentence_zh="每个订单的收入。"),
        Metric("revenue_per_member", "member_revenue", "buyers", unit="money", by=ORDER,
            en="Revenue per member", sentence="Members' revenue for each ordering member.",
            zh="每会员收入", sentence_zh="每个下单会员的收入。"),
    ),
    "Coupons": (
        Metric("coupon_member_ratio", "coupon_buyers", "buyers", good="neither", by=ORDER,
            en="Share of ordering members using coupons", sentence="What part of the ordering members used a coupon.",
            zh="用券会员占比", sentence_zh="下单会员中用过券的占比。"),
        Metric("coupon_amount_ratio", "coupon_revenue", "revenue", good="neither", by=ORDER,
            en="Share of revenue with coupons", sentence="What part of revenue came with a coupon.",
            zh="用券金额占比", sentence_zh="订单金额中用券订单的占比。"),
        Metric("coupon_order_ratio", "coupon_orders", "orders", good="neither", by=ORDER,
            en="Share of orders with coupons", sentence="What part of the orders came with a coupon.",
            zh="用券订单占比", sentence_zh="订单中用券订单的占比。"),
        Metric("coupon_aov", "coupon_revenue", "coupon_orders", unit="money", by=ORDER,
            en="Order value with coupon", sentence="What an order with a coupon is worth.",
            zh="用券平均订单价值", sentence_zh="用券订单的平均金额。"),
        Metric("coupon_repurchase_rate", "repeat_coupon_buyers", "coupon_buyers", by=ORDER,
            en="Repurchase with coupons", sentence="What part of the members using coupons did so more than once.",
            zh="用券复购率", sentence_zh="用券会员中用券下单不止一次的占比。"),
        Metric("no_coupon_member_ratio", "plain_buyers", "buyers", good="neither", by=ORDER,
            en="Share of members ordering without coupon",
            sentence="What part of the ordering members ordered without a coupon, perhaps besides.",
            zh="未用券会员占比", sentence_zh="下单会员中有未用券订单的占比，可能也用过券。"),
        Metric("no_coupon_amount_ratio", "plain_revenue", "revenue", good="neither", by=ORDER,
            en="Share of revenue without coupons", sentence="What part of revenue came without a coupon.",
            zh="未用券金额占比", sentence_zh="订单金额中未用券订单的占比。"),
        Metric("no_coupon_order_ratio", "plain_orders", "orders", good="neither", by=ORDER,
            en="Share of orders without coupons", sentence="What part of the orders came without a coupon.",
            zh="未用券订单占比", sentence_zh="订单中未用券订单的占比。"),
        Metric("no_coupon_aov", "plain_revenue", "plain_orders", unit="money", by=ORDER,
            en="Order value without coupon", sentence="What an order without a coupon is worth.",
            zh="未用券平均订单价值", sentence_zh="未用券订单的平均金额。"),
        Metric("no_coupon_repurchase_rate", "repeat_plain_buyers", "plain_buyers", by=ORDER,
            en="Repurchase without coupons",
            sentence="What part of the members ordering without a coupon did so more than once.",
            zh="未用券复购率", sentence_zh="未用券下单的会员中这样下单不止一次的占比。"),
    ),
    "Marketing money": (
        Metric("marketing_cost", "cost", unit="money", good="down", by=("cost_type", "campaign"),
            en="Marketing cost",
            sentence="What marketing cost. A coupon costs what its redemption in force "
                     "is worth: a return takes it off again.",
            zh="营销费用", sentence_zh="营销花了多少。优惠券按有效核销计：退回即冲销。"),
        Metric("marketing_revenue", "attributed", unit="money", by=MARKETING,
            en="Marketing revenue", sentence="Revenue attributed to marketing, each order once.",
            zh="营销收入", sentence_zh="归因于营销的收入，每单只计一次。"),
        Metric("marketing_cost_ratio", "cost", "attributed", unit="ratio", good="down", by=("campaign",),
            en="Marketing cost ratio",
            sentence="What a unit of marketing revenue cost; by campaign: of the orders that are owed to it.",
            zh="营销费率", sentence_zh="每一元营销收入花费多少；按活动时，只计归因于该活动的订单。"),
        Metric("unattributed_revenue", "unattributed", unit="money", good="neither", by=ORDER,
            en="Unattributed revenue", sentence="Revenue that no marketing can claim.",
            zh="未归因收入", sentence_zh="任何营销都不能认领的收入。"),
        Metric("attributed_share", "of_method", "revenue", by=("method",),
            en="Share of revenue by attribution",
            sentence="What part of revenue each method attributes, and the rest "
                     "(unattributed); over all: what part is attributed.",
            zh="归因收入占比", sentence_zh="每种归因方式占收入的比例，以及未归因部分；合计为已归因的比例。"),
        Metric("cost_per_registration", "cost", "new_registered", unit="money", good="down",
            en="All marketing cost per registration",
            sentence="All marketing cost, whatever it was for, for each new registration.",
            zh="每注册营销总费用", sentence_zh="全部营销费用（不论用途）除以新注册会员数。"),
        Metric("cost_per_order", "cost", "orders", unit="money", good="down", by=("campaign",),
            en="All marketing cost per order",
            sentence="All marketing cost for each order. By campaign: over the orders that are owed to it.",
            zh="每订单营销总费用", sentence_zh="全部营销费用除以订单数。按活动时，只计归因于该活动的订单。"),
        Metric("cost_per_member", "cost", "buyers", unit="money", good="down", by=("campaign",),
            en="All marketing cost per ordering member",
            sentence="All marketing cost for each ordering member. By campaign: over the orders that are owed to it.",
            zh="每下单会员营销总费用", sentence_zh="全部营销费用除以下单会员数。按活动时，只计归因于该活动的订单。"),
        Metric("leads", "leads", unit="leads", by=("campaign",),
            en="Leads", sentence="How many contacts led to a lead.",
            zh="线索数", sentence_zh="触达带来了多少线索。"),
        Metric("winbacks", "winbacks", unit="members",
            en="Win-backs", sentence="How many churned members a campaign brought back to order.",
            zh="赢回会员", sentence_zh="活动让多少流失会员重新下单。"),
        Metric("cost_per_lead", "cost", "leads", unit="money", good="down", by=("campaign",),
            en="All marketing cost per lead",
            sentence="All marketing cost, whatever it was for, for each lead; by campaign: the campaign's.",
            zh="每线索营销总费用", sentence_zh="全部营销费用（不论用途）除以线索数；按活动时为该活动的费用。"),
        Metric("cost_per_winback", "cost", "winbacks", unit="money", good="down",
            en="All marketing cost per win-back",
            sentence="All marketing cost, whatever it was for, for each win-back.",
            zh="每赢回营销总费用", sentence_zh="全部营销费用（不论用途）除以赢回会员数。"),
        Metric("cost_per_goal", "goal_cost", "goal_reached", unit="money", good="down", by=("goal",),
            en="Cost per goal", sentence="What it cost to reach a goal once. By goal only, not over all.",
            zh="每目标成本", sentence_zh="达成一次目标花费多少。只按目标统计，没有合计。"),
    ),
    "Movement": (
        Metric("churned_members", "churned_in", unit="members", good="down", by=("member", "kind", "permanence"),
            en="Newly churned members", sentence="How many became churned.",
            zh="新增流失会员", sentence_zh="本期有多少会员变为流失。"),
        Metric("returned_members", "returned", unit="members", by=MEMBER,
            en="Returned members", sentence="How many churned members came back.",
            zh="回流会员", sentence_zh="本期有多少流失会员回来。"),
        Metric("churn_rate", "churned_in", "not_churned", good="down", by=MEMBER,
            en="Churn rate",
            sentence="What part of the members not churned at the start of the period became churned in it.",
            zh="流失率", sentence_zh="期初未流失的会员中变为流失的占比。"),
        Metric("churned_share", "churned", "all_members", good="down", by=("member", "kind", "permanence"),
            en="Churned share", sentence="What part of all members is churned.",
            zh="流失会员占比", sentence_zh="全部会员中已流失的占比。"),
        Metric("movement_ratio", "new_purchasing", "churned_in", unit="ratio", by=MEMBER,
            en="Movement ratio",
            sentence="New buyers for each newly churned member: at 1 as many come as go, "
                     "above it the brand grows, below it shrinks.",
            zh="新增流失比", sentence_zh="每个新流失会员对应的新购买会员：1 为进出相当，高于 1 增长，低于 1 萎缩。"),
        *[
            Metric(f"{name}_trend", "trend", unit="slope", good=good,
                en=f"Trend of {en}", sentence=f"Change of {en} from period to period.",
                zh=f"{zh}趋势", sentence_zh=f"{zh}逐期的变化。")
            for name, good, en, zh in _WITH_TREND
        ],
        Metric("revenue_change", "change", unit="money",
            en="Change of revenue",
            sentence="Revenue less that of the period before; of a running period, than that "
                     "of its same days. The first period has no row.",
            zh="订单金额变化", sentence_zh="与上期相比的收入变化；未完的时期与上期同日相比。第一个时期没有数据。"),
        Metric("revenue_change_members", "change_members", unit="money",
            en="Change of revenue by members", sentence="What the number of ordering members changed of revenue.",
            zh="因会员数", sentence_zh="收入变化中由下单会员数带来的部分。"),
        Metric("revenue_change_frequency", "change_frequency", unit="money",
            en="Change of revenue by orders per member", sentence="What the orders per member changed of revenue.",
            zh="因人均订单数", sentence_zh="收入变化中由人均订单数带来的部分。"),
        Metric("revenue_change_order_value", "change_order_value", unit="money",
            en="Change of revenue by order value", sentence="What the value of an order changed of revenue.",
            zh="因订单价值", sentence_zh="收入变化中由平均订单价值带来的部分。"),
        Metric("revenue_change_guests", "change_guests", unit="money",
            en="Change of revenue by guests", sentence="What orders of guests changed of revenue.",
            zh="因非会员订单", sentence_zh="收入变化中由非会员订单带来的部分。"),
    ),
}  # fmt: skip

METRICS: dict[str, Metric] = {
    metric.name: replace(metric, group=group) for group, metrics in _GROUPS.items() for metric in metrics
}

COHORT = tuple(f"register_to_purchase_{days}d_rate" for days in COHORT_DAYS)
WAITS = dict(zip(COHORT, COHORT_DAYS, strict=True))  # days after its end until a period's number is known
ACTIVITY = ("active_subjects", "activity_rate", "stickiness")
DAILY = ("stickiness",)  # of days only
CHURN_METRICS = ("churned_members", "returned_members", "churn_rate", "churned_share")
TRENDS = {name: name.removesuffix("_trend") for name in METRICS if name.endswith("_trend")}
CHANGES = tuple(name for name in METRICS if name.startswith("revenue_change"))
# made of stored metrics and of gold.active_counts
DERIVED = (*ACTIVITY, "orders_per_visit", "attributed_share", "movement_ratio", *TRENDS, *CHANGES)
OPERATION = tuple(name for name in METRICS if name not in {*COHORT, *CHURN_METRICS, *DERIVED, "visits"})
