"""E14: which options a SYN+ACK has, and which of them depend on the SYN."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Several, WireNumber
from lab.exercise.readings import OfSegment
from lab.tcp.options import Option

UNKNOWN = 99
OPTIONS = {
    "MSS": Text("MSS", "MSS"),
    "WScale": Text("window scale", "窗口缩放"),
    "SAckOK": Text("SACK permitted", "允许 SACK"),
    "Timestamp": Text("timestamps", "时间戳"),
    UNKNOWN: Text("an option of kind 99", "种类为 99 的选项"),
}
WHICH = Several(tuple(OPTIONS.values()))
NAMES = tuple(OPTIONS)
NOP: Option = ("NOP", None)


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_timestamps", own.timestamps)
    server = lab.kernel.listen(port=own.port)
    mss: Option = ("MSS", own.m)
    stamp: tuple[Option, ...] = (NOP, NOP, ("Timestamp", (own.tsval, 0)))
    unknown: Option = (UNKNOWN, b"??")
    for step, options in {
        "NONE": (),
        "MSS": (mss,),
        "TIME": (mss, *stamp),
        "KIND 99": (mss, unknown),
        "ALL": (mss, ("SAckOK", b""), stamp[-1], NOP, ("WScale", own.t)),
    }.items():
        lab.step(step)
        peer = lab.peer(to=server, iss=own.x)
        peer.send("S", options=options)
        peer.expect("SA", seq=0, ack=1)


def agreed(own: Numbers) -> frozenset[int]:
    """What comes back when everything is offered."""
    return frozenset({0, 1, 2, 3} if own.timestamps else {0, 1, 2})


ONLY_OFFERED = Text(
    "Window scale, SACK permitted and timestamps come back only if they were offered. The MSS is no answer: each side"
    " announces its own. RFC 7323 2.2, 3.2; RFC 9293 3.7.1",
    "窗口缩放、允许 SACK 和时间戳只有对方给出时才会带上。MSS 不是应答：双方各自通告自己的。"
    "RFC 7323 2.2, 3.2; RFC 9293 3.7.1",
)

EXERCISE = Exercise(
    id="E14",
    title=Text("What comes back", "哪些选项会返回"),
    goal=Text(
        "Say which options a SYN+ACK has, from those of the SYN.",
        "能根据 SYN 的选项说出 SYN+ACK 带哪些选项。",
    ),
    minutes=12,
    section="RFC 9293 3.1, 3.7.1; RFC 7323 2.2, 3.2; RFC 2018 2",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "port": range(1024, 30000),
        "m": range(600, 1400),
        "t": range(1, 14),
        "tsval": range(1_000_000, 4_000_000_000, 1013),
        "timestamps": (1,),
    },
    rounds=(
        Round(
            Text(
                "Over IPv{family}, a program listens on port {port}; the MTU is 1500. You send five SYNs: without any"
                " option; with MSS {m}; with MSS and timestamps (TSval {tsval}); with MSS and an option of kind 99,"
                " which nobody has defined; and with all of MSS, SACK permitted, timestamps and window scale {t}.",
                "使用 IPv{family}，一个程序在端口 {port} 上监听，MTU 为 1500。你发送五个 SYN：不带任何选项；"
                "带 MSS {m}；带 MSS 和时间戳（TSval 为 {tsval}）；带 MSS 和种类为 99 的选项，它没有任何定义；"
                "以及带 MSS、允许 SACK、时间戳和窗口缩放 {t} 全部四种。",
            ),
            predict=(
                Question(
                    "to_none",
                    Text(
                        "Which options does the answer to the SYN without options have?",
                        "对不带选项的 SYN 的应答带哪些选项？",
                    ),
                    WHICH,
                    OfSegment(1, "options", step="NONE", among=NAMES),
                    lambda _: frozenset({0}),
                    ONLY_OFFERED,
                    {
                        "mss-is-no-answer": lambda _: frozenset(),
                        "answer-offers-nothing-new": lambda _: frozenset({0, 1, 2, 3}),
                    },
                ),
                Question(
                    "mss",
                    Text(
                        "Which MSS does the answer to the SYN with MSS {m} have?",
                        "对带 MSS {m} 的 SYN，应答里的 MSS 是多少？",
                    ),
                    Count(),
                    OfSegment(1, "mss", step="MSS"),
                    lambda own: 1440 if own.family == 6 else 1460,
                    Text(
                        "The kernel announces what it can take itself: the MTU less 40 bytes over IPv4, 60 over IPv6."
                        " RFC 9293 3.7.1",
                        "内核通告它自己能接收的大小：MTU 减去 40 字节（IPv4）或 60 字节（IPv6）。RFC 9293 3.7.1",
                    ),
                    {
                        "mss-is-not-negotiated": lambda own: own.m,
                        "headers-not-subtracted": lambda _: 1500,
                        "one-header-subtracted": lambda own: 1460 if own.family == 6 else 1480,
                    },
                ),
                Question(
                    "to_time",
                    Text(
                        "Which options does the answer to the SYN with MSS and timestamps have?",
                        "对带 MSS 和时间戳的 SYN 的应答带哪些选项？",
                    ),
                    WHICH,
                    OfSegment(1, "options", step="TIME", among=NAMES),
                    lambda _: frozenset({0, 3}),
                    ONLY_OFFERED,
                    {
                        "answer-offers-nothing-new": lambda _: frozenset({0, 1, 2, 3}),
                        "mss-is-no-answer": lambda _: frozenset({3}),
                        "offer-is-taken": lambda _: frozenset({0}),
                    },
                ),
                Question(
                    "tsecr",
                    Text("And which TSecr does that answer have?", "该应答的 TSecr 是多少？"),
                    WireNumber(),
                    OfSegment(1, "tsecr", step="TIME"),
                    lambda own: own.tsval,
                    Text(
                        "TSecr repeats the TSval that has come, unchanged. RFC 7323 3.2",
                        "TSecr 原样返回收到的 TSval。RFC 7323 3.2",
                    ),
                    {
                        "something-to-echo": lambda _: 0,
                        "timestamps-are-not-acknowledged": lambda own: own.tsval + 1,
                    },
                ),
                Question(
                    "to_unknown",
                    Text(
                        "Which options does the answer to the SYN with the option of kind 99 have?",
                        "对带种类为 99 的选项的 SYN，应答带哪些选项？",
                    ),
                    WHICH,
                    OfSegment(1, "options", step="KIND 99", among=NAMES),
                    lambda _: frozenset({0}),
                    Text(
                        "An option that is not known is passed over by its length. RFC 9293 3.1 MUST-6",
                        "不认识的选项按其长度跳过。RFC 9293 3.1 MUST-6",
                    ),
                    {
                        "unknown-is-passed-over": lambda _: frozenset({0, 4}),
                        "mss-is-no-answer": lambda _: frozenset(),
                    },
                ),
            ),
            investigate=(
                Question(
                    "header",
                    Text(
                        "How many bytes long is the TCP header of the answer to the SYN with all options?",
                        "对带全部选项的 SYN，应答的 TCP 首部有多少字节？",
                    ),
                    Count(),
                    OfSegment(1, "header", step="ALL"),
                    lambda _: 40,
                    Text(
                        "20, and for MSS 4, SACK permitted 2, timestamps 10, a NOP 1, window scale 3. RFC 9293 3.1",
                        "20 字节，再加 MSS 4、允许 SACK 2、时间戳 10、一个 NOP 1、窗口缩放 3 字节。RFC 9293 3.1",
                    ),
                    {"options-are-in-the-header": lambda _: 20, "header-in-words": lambda _: 10},
                ),
            ),
        ),
        Round(
            Text(
                "One setting of the kernel changes: sysctl net.ipv4.tcp_timestamps = 0. You send the same SYNs.",
                "只改内核的一个设置：sysctl net.ipv4.tcp_timestamps = 0。你发送同样的 SYN。",
            ),
            change={"timestamps": 0},
            hint=Text(
                "Which option does this setting switch off?",
                "这个设置关掉了哪个选项？",
            ),
            predict=(
                Question(
                    "to_all",
                    Text(
                        "Which options does the answer to the SYN with all of them have now?",
                        "现在对带全部选项的 SYN，应答带哪些选项？",
                    ),
                    WHICH,
                    OfSegment(1, "options", step="ALL", among=NAMES),
                    agreed,
                    Text(
                        "An option is used if both sides have it. What the kernel has switched off it does not send."
                        " RFC 7323 3.2",
                        "双方都带的选项才会使用。内核关闭的选项不会发送。RFC 7323 3.2",
                    ),
                    {
                        "setting-has-no-effect": lambda _: frozenset({0, 1, 2, 3}),
                        "only-mss": lambda _: frozenset({0}),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Which options would be useless if only one side had them?",
            "哪些选项如果只有一方带就没有用？",
        ),
        Text(
            "MSS tells what the sender of the option can take. That does not depend on the other side.",
            "MSS 说明发送该选项的一方能接收多大，与对方无关。",
        ),
        Text(
            "The MSS always; window scale, SACK and timestamps each only if offered; nothing else.",
            "MSS 总是带；窗口缩放、允许 SACK 和时间戳分别在对方给出时才带；其他都不带。",
        ),
    ),
    learned=Text(
        "A SYN+ACK offers nothing that the SYN has not offered, except its MSS, which is its own.",
        "SYN+ACK 不会带 SYN 没有给出的选项，只有 MSS 例外，它是自己的。",
    ),
)
