"""Every word of the report that is not data, in English and Simplified Chinese. Numbers are written here too."""
# ruff: noqa: E501 - a text stands in one line with its translation

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any, NamedTuple


class Said(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str

    def of(self, **values: Any) -> Said:
        """With values put in; a value that is `Said` in its language."""
        return Said(*(getattr(self, lang).format(**{k: _in(v, lang) for k, v in values.items()}) for lang in LANGUAGES))


LANGUAGES = ("en", "zh")


def same(text: Any) -> Said:
    """Data, such as a name: the same in both languages."""
    return Said(str(text), str(text))


def word(name: Any) -> Said:
    """A name from the tables or the settings; one that nobody translated as it is."""
    return WORDS.get(str(name)) or same("–" if name is None else str(name).replace("_", " "))


def _in(value: Any, lang: str) -> Any:
    return getattr(value, lang) if isinstance(value, Said) else value


NONE = same("–")
SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def number(value: float | None, form: str, currency: str = "") -> Said:
    """A number as people read it.

    Args:
        form: `count`, `money`, `share` (0.25 is 25 %), `ratio` or `slope`.
    """
    if value is None:
        return NONE
    if form == "share":
        return same(f"{value:.1%}")
    if form == "slope":
        return same(f"{value:+,.4f}")
    if form == "ratio":
        return same(f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}")
    sign = f"{'-' if value < 0 else ''}{SYMBOLS.get(currency, f'{currency} ') if form == 'money' else ''}"
    if abs(value) >= 1e7:
        return Said(f"{sign}{abs(value) / 1e6:,.1f} M", f"{sign}{abs(value) / 1e4:,.0f} 万")
    cents = form == "money" and abs(value) < 1000 and value % 1
    return same(f"{sign}{abs(value):,.{2 if cents else 0}f}")


def day(value: date | datetime | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):  # one that Spark gives has no zone: it is in this machine's
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{value:%Y-%m-%d}"


PAGES = {
    "index": (
        Said("Overview", "总览"),
        Said("Where membership stands, what moved, and what needs someone today.", "会员现状、变化与今天要处理的事。"),
    ),
    "members": (
        Said("Members & conversion", "会员与转化"),
        Said("Who registered, was activated, bought; and who can be reached.", "谁注册、激活、购买，以及谁可以触达。"),
    ),
    "activity": (
        Said("Activity", "活跃"),
        Said("Who came, who came back, who stayed away.", "谁来过，谁回来，谁没再来。"),
    ),
    "value": (
        Said("Value", "价值"),
        Said(
            "What members are worth: RFM of buyers, RFE of visitors, ABC classes.",
            "会员价值：购买者 RFM、访客 RFE、ABC 分类。",
        ),
    ),
    "churn": (
        Said("Lifecycle & churn", "生命周期与流失"),
        Said("Who has left, by which rule, and who is about to.", "谁已流失、依哪条规则，以及谁将要流失。"),
    ),
    "coupons": (
        Said("Coupons", "优惠券"),
        Said("From issue to redemption, per run of a coupon.", "从发券到核销，按优惠券的每次使用统计。"),
    ),
    "money": (
        Said("Campaigns & money", "活动与费用"),
        Said("What marketing cost and what it brought.", "营销花了多少，带来多少。"),
    ),
    "models": (
        Said("Models", "模型"),
        Said(
            "How good the models are, and whether the world has moved away from them.", "模型质量如何，数据是否已偏离。"
        ),
    ),
    "alerts": (
        Said("Alerts", "预警"),
        Said("Numbers that broke a rule, opened once and closed when back.", "突破规则的指标：只开一次，恢复后关闭。"),
    ),
    "quality": (
        Said("Data quality", "数据质量"),
        Said("What was rejected, what ran, how fresh the tables are.", "哪些数据被拒收、哪些任务运行过、数据有多新。"),
    ),
}

UI = {
    "title": Said("Member health", "会员健康报告"),
    "skip": Said("Skip to content", "跳到正文"),
    "pages": Said("Pages", "页面"),
    "switch": Said("中文", "English"),
    "theme": Said("Light or dark", "浅色或深色"),
    "as_of": Said("As of", "截至"),
    "lake": Said("Lake version", "数据湖版本"),
    "run": Said("Run", "运行"),
    "written": Said("Run started", "运行开始"),
    "code": Said("memberlake", "memberlake"),
    "definition": Said("Definition", "定义"),
    "formula": Said("Formula", "公式"),
    "numerator": Said("Numerator", "分子"),
    "denominator": Said("Denominator", "分母"),
    "value": Said("Value", "数值"),
    "period": Said("Period", "时期"),
    "source": Said("Source", "来源"),
    "numbers": Said("Show the numbers", "查看数据"),
    "no_data": Said("No data", "暂无数据"),
    "how": Said("How to get it", "如何获得"),
    "running": Said("This month so far", "本月至今"),
    "same_days": Said("The same days of the month before", "上月同日"),
    "glossary": Said("Definitions on this page", "本页定义"),
    "more": Said("All of it", "查看全部"),
    "close": Said("Close", "关闭"),
    "no_script": Said(
        "The pictures need JavaScript; figures, tables and definitions do not.",
        "图表需要 JavaScript；数字、表格与定义不需要。",
    ),
    "private": Said(
        "Counts and sums only: no row of a member is in this report.", "仅含计数与汇总：本报告不含任何会员个人数据。"
    ),
    "better": Said("better", "变好"),
    "worse": Said("worse", "变差"),
}

HEADERS = {
    "metric": Said("Metric", "指标"),
    "value": Said("Value", "数值"),
    "before": Said("Period before", "上期"),
    "numerator": Said("Numerator", "分子"),
    "denominator": Said("Denominator", "分母"),
    "running": Said("This month so far", "本月至今"),
    "same_days": Said("Same days before", "上月同日"),
    "dimension": Said("By", "维度"),
    "dimension_value": Said("Group", "取值"),
    "segment": Said("Segment", "分群"),
    "members": Said("Members", "会员"),
    "subjects": Said("Members and visitors", "会员与访客"),
    "money": Said("Amount", "金额"),
    "per_member": Said("Per member", "人均"),
    "of_members": Said("Of members", "会员占比"),
    "of_money": Said("Of amount", "金额占比"),
    "class": Said("Class", "类别"),
    "rule": Said("Rule", "规则"),
    "message": Said("Message", "说明"),
    "severity": Said("Severity", "级别"),
    "notify": Said("Whom to tell", "通知"),
    "threshold": Said("Limit", "阈值"),
    "raised": Said("Raised", "开启日"),
    "state": Said("State", "状态"),
    "coupon": Said("Coupon", "优惠券"),
    "run": Said("Run", "次"),
    "dates": Said("Dates", "日期"),
    "campaign": Said("Campaign", "活动"),
    "issued": Said("Issued", "发券"),
    "claimed": Said("Claimed", "领券"),
    "redeemed": Said("Redeemed", "核销"),
    "returned": Said("Returned", "退回"),
    "expired": Said("Expired", "过期"),
    "redemption_rate": Said("Redeemed / issued", "核销 / 发券"),
    "redeemed_amount": Said("Value redeemed", "核销金额"),
    "vouchers": Said("Vouchers", "券"),
    "status": Said("Status", "状态"),
    "method": Said("How the campaign is known", "活动如何得知"),
    "confidence": Said("Confidence", "置信度"),
    "flag": Said("What is impossible in the history", "不合理的记录"),
    "reason": Said("Why nobody could decide", "无法判定的原因"),
    "candidates": Said("Candidates", "候选活动"),
    "model": Said("Model", "模型"),
    "version": Said("Version", "版本"),
    "as_of": Said("As of", "截至"),
    "examples": Said("Members in the test", "测试会员"),
    "base_rate": Said("Base rate", "基准率"),
    "pr_auc": same("PR-AUC"),
    "recency_pr_auc": Said("Recency alone", "仅最近一次购买"),
    "roc_auc": same("ROC-AUC"),
    "brier": Said("Brier score", "Brier 分数"),
    "ece": Said("Calibration error", "校准误差"),
    "promoted": Said("Promoted", "已启用"),
    "why": Said("Why", "原因"),
    "feature": Said("Feature", "特征"),
    "effect": Said("Mean effect", "平均影响"),
    "table": Said("Table", "表"),
    "rows": Said("Rows", "行"),
    "last": Said("Last", "最近"),
    "job": Said("Job", "任务"),
    "started": Said("Started", "开始"),
    "seconds": Said("Seconds", "秒"),
    "read": Said("Rows read", "读取行"),
    "wrote": Said("Rows written", "写入行"),
    "error": Said("Error", "错误"),
    "last_day": Said("Last business date", "最近业务日"),
    "changed": Said("Last change", "最近变更"),
    "active": Said("Active", "活跃"),
    "new": Said("New", "新增"),
    "cohort": Said("New in", "新增于"),
}

WORDS = {
    # periods, dimensions
    "day": Said("day", "日"),
    "week": Said("week", "周"),
    "month": Said("month", "月"),
    "all": Said("all", "全部"),
    "channel": Said("channel", "渠道"),
    "brand": Said("brand", "品牌"),
    "category": Said("category", "品类"),
    "city": Said("city", "城市"),
    "acquisition_channel": Said("acquisition channel", "获客渠道"),
    "tier": Said("tier", "等级"),
    "kind": Said("kind", "类型"),
    "campaign": Said("campaign", "活动"),
    "goal": Said("goal", "目标"),
    "registration": Said("registration", "注册"),
    "order": Said("order", "订单"),
    "lead": Said("lead", "线索"),
    "winback": Said("win-back", "赢回"),
    "member": Said("members", "会员"),
    "anonymous": Said("anonymous", "匿名访客"),
    "sms": Said("SMS", "短信"),
    "email": Said("e-mail", "邮件"),
    "qq": Said("QQ", "QQ"),
    "wechat": Said("WeChat", "微信"),
    "app_push": Said("app push", "App 推送"),
    "media": Said("media", "媒介费"),
    "coupon": Said("coupons", "优惠券费用"),
    "contact": Said("contacts", "触达"),
    "points": Said("points", "积分费用"),
    "marked": Said("marked channel or campaign", "标记的渠道或活动"),
    "code": Said("promotion code", "优惠码"),
    "voucher": Said("voucher", "优惠券"),
    "unknown": Said("unknown", "未知"),
    "none": Said("unattributed", "未归因"),
    "rose": Said("rose", "上升"),
    "fell": Said("fell", "下降"),
    "within limit": Said("within limit", "阈值内"),
    "beyond limit": Said("beyond limit", "超过阈值"),
    "other": Said("other", "其他"),
    # segments of the shipped maps
    "champions": Said("champions", "冠军客户"),
    "loyal": Said("loyal", "忠诚客户"),
    "big_spenders": Said("big spenders", "高消费客户"),
    "new": Said("new", "新客户"),
    "promising": Said("promising", "有潜力的新客"),
    "potential_loyalist": Said("potential loyalist", "潜在忠诚客户"),
    "cannot_lose": Said("cannot lose", "不可流失客户"),
    "at_risk": Said("at risk", "有流失风险"),
    "about_to_sleep": Said("about to sleep", "即将沉睡"),
    "hibernating": Said("hibernating", "沉睡客户"),
    "important_value": Said("important, value", "重要价值客户"),
    "important_develop": Said("important, develop", "重要发展客户"),
    "important_keep": Said("important, keep", "重要保持客户"),
    "important_retain": Said("important, retain", "重要挽留客户"),
    "general_value": Said("general, value", "一般价值客户"),
    "general_develop": Said("general, develop", "一般发展客户"),
    "general_keep": Said("general, keep", "一般保持客户"),
    "general_retain": Said("general, retain", "一般挽留客户"),
    # vouchers
    "issued": Said("issued", "已发券"),
    "claimed": Said("claimed", "已领券"),
    "redeemed": Said("redeemed", "已核销"),
    "expired": Said("expired", "已过期"),
    "voided": Said("voided", "已作废"),
    "returned": Said("returned", "已退回"),
    "override": Said("decided by hand", "人工指定"),
    "recorded": Said("recorded", "系统记录"),
    "inferred": Said("inferred", "推断"),
    "issue_unrecorded": Said("issue not recorded", "无发券记录"),
    "redeemed_without_claim": Said("redeemed without claim", "未领券即核销"),
    "redeemed_before_claim": Said("redeemed before claim", "核销早于领券"),
    "redeemed_after_expiry": Said("redeemed after expiry", "过期后核销"),
    "redeemed_twice": Said("redeemed twice", "重复核销"),
    "redeemed_by_other_member": Said("redeemed by another member", "非领券会员核销"),
    "redeemed_above_value": Said("redeemed above its value", "核销金额超过面值"),
    "redeemed_after_void": Said("redeemed after it was voided", "作废后核销"),
    "voided_after_redemption": Said("voided after redemption", "核销后作废"),
    "returned_without_redemption": Said("returned without redemption", "未核销即退回"),
    "negative_amount": Said("negative amount", "金额为负"),
    "several_campaigns": Said("of several campaigns", "属于多个活动"),
    "unknown_coupon": Said("unknown coupon", "未知优惠券"),
    "unknown_order": Said("unknown order", "未知订单"),
    "history_capped": Said("history too long to keep whole", "历史过长已截断"),
    "several campaigns fit": Said("several campaigns fit", "多个活动符合"),
    "no campaign fits": Said("no campaign fits", "没有活动符合"),
    # churn and models
    "True": Said("yes", "是"),
    "False": Said("no", "否"),
    "random_forest": Said("random forest", "随机森林"),
    "logistic_regression": Said("logistic regression", "逻辑回归"),
    "linear_svm": Said("linear SVM", "线性支持向量机"),
    "gradient_boosted_trees": Said("gradient boosted trees", "梯度提升树"),
    "unsubscribed": Said("unsubscribed", "退订"),
    "blacklisted": Said("blacklisted", "拉黑"),
    "no_login": Said("no login", "长期未登录"),
    "no_response": Said("no response to care", "关怀无响应"),
    "no_order": Said("no order", "长期未下单"),
    "pr_auc": same("PR-AUC"),
    "roc_auc": same("ROC-AUC"),
    "brier": Said("Brier score", "Brier 分数"),
    "base_rate": Said("base rate", "基准流失率"),
    "explicit": Said("explicit", "明确表达"),
    "implicit": Said("implicit", "未明确"),
    "permanent": Said("permanent", "永久流失"),
    "temporary": Said("temporary", "暂时流失"),
    "high": Said("high", "高"),
    "medium": Said("medium", "中"),
    "low": Said("low", "低"),
    "middle": Said("middle", "中"),
    "info": Said("info", "提示"),
    "warning": Said("warning", "警告"),
    "critical": Said("critical", "严重"),
    "open": Said("open", "开启"),
    "closed": Said("closed", "已关闭"),
    "done": Said("done", "完成"),
    "failed": Said("failed", "失败"),
    "running": Said("running", "运行中"),
    "metric": Said("metric", "指标"),
    "model": Said("model", "模型"),
}

BLOCKS = {
    "headline": (
        Said("Headline figures", "核心指标"),
        Said(
            "The last whole month, against the month before. Press a figure for its definition.",
            "最近一个完整月份，与上月比较。点击数字查看定义。",
        ),
    ),
    "open_alerts": (
        Said("Needs someone", "待处理"),
        Said("Open alerts, the latest first.", "未关闭的预警，最新在前。"),
    ),
    "all_metrics": (
        Said("All metrics", "全部指标"),
        Said("Over all members, the latest month of each metric.", "全部会员，各指标最近一个月。"),
    ),
    "revenue_change": (
        Said("What moved revenue", "收入变化的原因"),
        Said(
            "The change against the month before, split exactly: the parts add up.",
            "与上月之差的精确分解：各部分之和等于变化。",
        ),
    ),
    "by_campaign": (Said("By campaign", "按活动"), Said("The latest whole month.", "最近一个完整月份。")),
    "by_goal": (
        Said("Cost of goals", "目标成本"),
        Said("Media and contacts of the campaigns with that goal.", "该目标活动的媒介与触达费用。"),
    ),
    "funnel": (
        Said("From registration to purchase", "从注册到购买"),
        Said("Members so far, cumulative.", "累积会员数。"),
    ),
    "new_members": (
        Said("New members by month", "每月新增会员"),
        Said("Registered, activated, first purchase. Hatched: not over yet.", "注册、激活、首次购买。斜线：尚未结束。"),
    ),
    "conversion": (
        Said("Conversion rates by month", "每月转化率"),
        Said(
            "Cohort rates follow the members registered in a month; the plain ones divide counts of everyone. Hollow: not over yet.",
            "同期群转化率跟踪当月注册的会员；普通转化率为累计人数之比。空心：尚未结束。",
        ),
    ),
    "reachable": (
        Said("Reachable members", "可营销会员"),
        Said("An address is known, and the member consented.", "有联系方式且本人同意。"),
    ),
    "by_dimension": (
        Said("By dimension", "按维度"),
        Said("The latest month, largest first.", "最近一个月，从大到小。"),
    ),
    "active_days": (
        Said("Active by day", "每日活跃"),
        Said("Daily actives, and rolling windows that end with the day.", "日活跃，以及截至当日的滚动窗口活跃。"),
    ),
    "active_months": (
        Said("Lifecycle by month", "每月生命周期"),
        Said(
            "New, retained and resurrected add up to the actives; dormant were active the month before and are not now.",
            "新增 + 留存 + 回流 = 活跃；沉睡者上月活跃而本月未活跃。",
        ),
    ),
    "active_weeks": (
        Said("Active by week", "每周活跃"),
        Said("Weeks begin on Monday. Hatched: not over yet.", "每周从周一开始。斜线：尚未结束。"),
    ),
    "retention": (
        Said("Retention by month", "月留存"),
        Said(
            "Of those first active in a month, the share active so many months later.",
            "某月首次活跃者在其后各月仍活跃的比例。",
        ),
    ),
    "active_split": (
        Said("This month by channel and kind", "本月按渠道与类型"),
        Said("A member of two channels counts in each.", "跨渠道的会员在各渠道分别计数。"),
    ),
    "rfm_map": (
        Said("RFM: recency and frequency", "RFM：最近一次购买与频次"),
        Said(
            "Buyers of the look-back by score; the shade is their mean amount M.",
            "回溯期内购买者按得分分布；颜色为人均金额 M。",
        ),
    ),
    "rfm_segments": (
        Said("Segments: share of buyers and of money", "分群：人数与金额占比"),
        Said("The first rule that matches names the segment.", "按顺序匹配第一条规则命名。"),
    ),
    "rfm_table": (Said("Segments in numbers", "分群明细"), Said("Buyers of the look-back.", "回溯期内的购买者。")),
    "rfe_map": (
        Said("RFE: recency and engagement", "RFE：最近一次访问与互动度"),
        Said(
            "Members and anonymous visitors by score; the shade is how many.", "会员与匿名访客按得分分布；颜色为人数。"
        ),
    ),
    "abc": (
        Said("ABC classes", "ABC 分类"),
        Said(
            "Class by the share of all amounts held by members before: A below 80 %, B below 95 %.",
            "按排在其前会员的累计金额占比：A 低于 80%，B 低于 95%。",
        ),
    ),
    "tiers": (Said("Value tiers", "价值分群"), Said("Members by value tier.", "按价值分群的会员。")),
    "value_months": (
        Said("Value by month", "每月价值"),
        Said("Over all members. Hollow: not over yet.", "全部会员。空心：尚未结束。"),
    ),
    "churn_rate": (
        Said("Churn by month", "每月流失"),
        Said(
            "The rate is of those who were there; the share is of all members. Hollow: not over yet.",
            "流失率以期初未流失会员为分母；占比以全部会员为分母。空心：尚未结束。",
        ),
    ),
    "movement": (
        Said("Movement by month", "每月异动"),
        Said(
            "First purchases against newly churned: below balance the brand dries up.",
            "新增购买与新流失对比：低于平衡即萎缩。",
        ),
    ),
    "churned": (
        Said("Who has left", "已流失会员"),
        Said("Members by what they said and whether they may return.", "按是否明确表达、是否永久划分。"),
    ),
    "churn_rules": (
        Said("By rule", "按规则"),
        Said("A member may meet several rules.", "一位会员可同时满足多条规则。"),
    ),
    "risk": (
        Said("Who is about to leave", "即将流失"),
        Said("Members by calibrated probability to churn within the horizon.", "按校准后的流失概率分布。"),
    ),
    "factors": (
        Said("What moves the high risks", "高风险的主要因素"),
        Said(
            "How many members of band high have the feature among their three strongest.",
            "高风险会员中，该特征位列前三影响因素的人数。",
        ),
    ),
    "coupon_funnel": (
        Said("Funnel of the last year", "近一年漏斗"),
        Said("Vouchers by business date of the event.", "按事件业务日统计的券数。"),
    ),
    "coupon_months": (Said("By month", "按月"), Said("Counts of the month's events.", "当月事件数。")),
    "coupon_runs": (
        Said("Largest runs", "最大的使用批次"),
        Said(
            "One use of a coupon is a run; a coupon with several is reused (↻).",
            "优惠券的一次使用为一个批次；有多个批次的为反复使用（↻）。",
        ),
    ),
    "coupon_campaigns": (
        Said("By campaign", "按活动"),
        Said("As mapped: recorded, decided by hand, or inferred.", "按映射结果：记录、人工指定或推断。"),
    ),
    "coupon_status": (
        Said("Vouchers by status", "券状态"),
        Said("As of the last run of the coupons job.", "截至优惠券任务最近一次运行。"),
    ),
    "mapping": (
        Said("How campaigns are known", "活动对应关系"),
        Said(
            "Inference never overwrites a record; confidence is measured by masking.",
            "推断从不覆盖记录；置信度由遮蔽法测得。",
        ),
    ),
    "review": (
        Said("To review", "待复核"),
        Said("Vouchers whose campaign nobody could decide.", "无法判定所属活动的券。"),
    ),
    "flags": (
        Said("Impossible histories", "不合理的历史"),
        Said("Kept and flagged, never dropped.", "保留并标记，从不丢弃。"),
    ),
    "cost": (
        Said("Marketing cost and revenue", "营销费用与收入"),
        Said("Cost by kind; the line is cost / revenue.", "按类型划分的费用；折线为费率。"),
    ),
    "attribution": (
        Said("Attributed revenue by method", "归因收入（按方式）"),
        Said("An order is attributed once; the rest is shown as unattributed.", "每笔订单只归因一次；其余为未归因。"),
    ),
    "unit_cost": (
        Said("What one costs and brings", "单位成本与收入"),
        Said("Per registration, order and member.", "按注册、订单、会员。"),
    ),
    "with_coupons": (
        Said("With and without coupons", "用券与不用券"),
        Said("Among orders of the last whole month.", "最近一个完整月份的订单。"),
    ),
    "model_quality": (
        Said("Quality in the test", "测试质量"),
        Said(
            "PR-AUC on a later snapshot than those trained on: the model, recency alone, and the base rate.",
            "在训练之后的快照上的 PR-AUC：模型、仅用最近一次购买、基准率。",
        ),
    ),
    "trained": (
        Said("Trained models", "已训练模型"),
        Said(
            "A model is promoted when it beats the champion and recency alone.",
            "优于现任模型且优于仅用最近一次购买时才启用。",
        ),
    ),
    "monitoring": (
        Said("Quality since", "上线后质量"),
        Said(
            "What came of the scores, once their horizon was over; a limit that is broken is marked.",
            "预测期结束后的实际结果；突破阈值者已标记。",
        ),
    ),
    "drift": (
        Said("Drift", "漂移"),
        Said(
            "Population stability index of features and score: above the limit the data has moved.",
            "特征与得分的群体稳定性指数：高于阈值即数据偏移。",
        ),
    ),
    "alert_list": (Said("All alerts", "全部预警"), Said("Open ones first.", "未关闭在前。")),
    "rejects": (
        Said("Rejected rows", "拒收数据"),
        Said("Rows of files that broke their contract, by rule.", "违反约定的数据行，按规则。"),
    ),
    "freshness": (
        Said("Freshness", "数据新鲜度"),
        Said("The last business date in each table, and its last change.", "各表最近业务日与最近变更。"),
    ),
    "jobs": (Said("Last run of each job", "各任务最近运行"), Said("From ops.runs.", "来自 ops.runs。")),
}

ALERTS = {  # what a rule watches; the side of its limit that is broken; what the monitoring of a model says
    "level": Said("{metric} ({period}{of})", "{metric}（{period}{of}）"),
    "change": Said("{metric}, change ({period}{of})", "{metric}的变化（{period}{of}）"),
    "trend": Said("{metric}, trend ({period}{of})", "{metric}的趋势（{period}{of}）"),
    "above": Said("{what} above {limit}", "{what}高于 {limit}"),
    "below": Said("{what} below {limit}", "{what}低于 {limit}"),
    "model": Said(
        "{metric} of model {name}, version {version}, beyond {limit}",
        "模型 {name} 版本 {version} 的 {metric} 超出 {limit}",
    ),
}

MISSING = {
    "kpi": (Said("The table gold.kpi has nothing for this.", "gold.kpi 中没有相应数据。"), "kpi"),
    "alerts": (
        Said("No rule was broken, or the metrics were never computed.", "没有规则被突破，或指标尚未计算。"),
        "kpi",
    ),
    "actives": (
        Said(
            "Nobody was active: this needs events of visits in silver.events.",
            "没有活跃：需要 silver.events 中的访问事件。",
        ),
        "activity",
    ),
    "retention": (
        Said("No month is over for a cohort yet: this needs events of visits.", "尚无完整月份的同期群：需要访问事件。"),
        "activity",
    ),
    "rfm": (Said("No scores of this day: this needs orders of members.", "当日没有得分：需要会员订单。"), "rfm"),
    "rfe": (
        Said(
            "No scores of this day: this needs events of visits in silver.events.",
            "当日没有得分：需要 silver.events 中的访问事件。",
        ),
        "rfe",
    ),
    "abc": (
        Said("No classes of this day: this needs orders of members.", "当日没有分类：需要会员订单。"),
        "abc_classes",
    ),
    "churned": (
        Said(
            "No status of this day: this needs members, and rules that they can meet.",
            "当日没有流失状态：需要会员及相应规则。",
        ),
        "churn_score",
    ),
    "risks": (
        Said("No scores of this day: a model must be trained first.", "当日没有评分：需要先训练模型。"),
        "churn_train",
    ),
    "models": (Said("No model was trained by this day.", "截至当日尚未训练模型。"), "churn_train"),
    "monitoring": (
        Said("Nobody was scored, or the horizon of the scores is not over yet.", "尚未评分，或评分的预测期尚未结束。"),
        "churn_score",
    ),
    "coupons": (
        Said(
            "No vouchers: this needs silver.coupons and silver.coupon_events.",
            "没有券：需要 silver.coupons 与 silver.coupon_events。",
        ),
        "coupons",
    ),
    "rejects": (Said("No row was rejected.", "没有被拒收的数据。"), ""),
    "no_alert": (Said("Nothing: no rule is broken.", "无：没有规则被突破。"), ""),
    "nobody": (Said("Nobody: no rule holds for any member.", "无：没有会员符合任何规则。"), ""),
}
