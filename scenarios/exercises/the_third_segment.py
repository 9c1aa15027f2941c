"""E21: numbers, options and window of the client's ACK."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, Several
from lab.exercise.readings import OfSegment

OPTIONS = {
    "MSS": Text("MSS", "MSS"),
    "WScale": Text("window scale", "窗口缩放"),
    "SAckOK": Text("SACK permitted", "允许 SACK"),
    "Timestamp": Text("timestamps", "时间戳"),
}


def run(lab: Lab, own: Numbers) -> None:
    peer = lab.peer(
        port=own.port,
        iss=own.y,
        mss=own.mss,
        window_scale=1 if own.scales else None,
        timestamps=True,
        sack_permitted=True,
    )
    limits = {"TCP_MAXSEG": own.mss, "TCP_WINDOW_CLAMP": 1 << (15 + own.shift)}
    client = lab.kernel.connect(to=peer, options=limits)
    peer.expect("S", seq=0, window=own.window)
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()


def units(own: Numbers) -> int:
    """The window in units of 2**shift bytes, rounded up."""
    return -(-own.window // (1 << own.shift))


EXERCISE = Exercise(
    id="E21",
    title=Text("The third segment", "第三个报文段"),
    goal=Text(
        "Say which numbers and options the third segment has, and read its window.",
        "会说出第三个报文段的序列号和选项，并会读出它的窗口。",
    ),
    minutes=12,
    section="RFC 9293 3.5, RFC 7323 2.2, 2.3",
    article="3.2",
    run=run,
    draw={
        "y": range(1_000_000_000, 4_000_000_000, 1009),
        "port": range(1024, 30000),
        "mss": range(1001, 1401, 2),
        "shift": range(4, 8),
        "scales": (1,),
    },
    derive={"window": lambda own: 65536 // own.mss * own.mss},
    rounds=(
        Round(
            Text(
                "The kernel is the client; its SYN has x, window {window} and window scale {shift}. Your SYN+ACK has"
                " y = {y}, and the same kinds of options as the SYN: MSS, SACK permitted, timestamps, and a window"
                " scale of 1.",
                "内核是客户端，它的 SYN 的序列号为 x，窗口为 {window}，窗口缩放为 {shift}。你的 SYN+ACK 的序列号为"
                " y = {y}，选项种类与 SYN 相同：MSS、允许 SACK、时间戳，以及值为 1 的窗口缩放。",
            ),
            predict=(
                Question(
                    "seq",
                    Text("What is the sequence number of the third segment?", "第三个报文段的序列号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(2, "seq", base="x"),
                    lambda _: At("x", 1),
                    Text(
                        "The SYN took up x, so the next one is x+1. RFC 9293 3.4",
                        "SYN 占用了 x，下一个是 x+1。RFC 9293 3.4",
                    ),
                    {"syn-not-counted": lambda _: At("x", 0), "sides-swapped": lambda _: At("y", 1)},
                ),
                Question(
                    "ack",
                    Text("And its acknowledgment number?", "它的确认号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(2, "ack", base="y"),
                    lambda _: At("y", 1),
                    Text(
                        "Your SYN took up y, so it expects y+1. RFC 9293 3.4",
                        "你的 SYN 占用了 y，所以它期望 y+1。RFC 9293 3.4",
                    ),
                    {"syn-not-counted": lambda _: At("y", 0), "sides-swapped": lambda _: At("x", 1)},
                ),
                Question(
                    "options",
                    Text("Which of these options does it have?", "它带下列哪些选项？"),
                    Several(tuple(OPTIONS.values())),
                    OfSegment(2, "options", among=tuple(OPTIONS)),
                    lambda _: frozenset({3}),
                    Text(
                        "MSS, window scale and SACK permitted stand in SYN segments only. Timestamps stand in every"
                        " segment once both SYNs had them. RFC 7323 3.2",
                        "MSS、窗口缩放和允许 SACK 只出现在 SYN 报文段里。双方的 SYN 都带有时间戳之后，"
                        "每个报文段都带时间戳。RFC 7323 3.2",
                    ),
                    {
                        "options-again": lambda _: frozenset({0, 1, 2, 3}),
                        "no-options-after-syn": lambda _: frozenset(),
                    },
                ),
                Question(
                    "window",
                    Text(
                        "The kernel can still take {window} bytes. Which number stands in the window field? (Round"
                        " up.)",
                        "内核仍然能接收 {window} 字节。窗口字段里是多少？（向上取整。）",
                    ),
                    Count(),
                    OfSegment(2, "window"),
                    units,
                    Text(
                        "After the SYN the field counts units of 2**{shift} bytes: {window} / 2**{shift}. RFC 7323 2.3",
                        "SYN 之后，该字段以 2**{shift} 字节为单位：{window} / 2**{shift}。RFC 7323 2.3",
                    ),
                    {
                        "window-not-scaled": lambda own: own.window,
                        "scale-is-a-factor": lambda own: -(-own.window // own.shift),
                        "scaled-by-the-other-side": lambda own: -(-own.window // 2),
                    },
                ),
            ),
            investigate=(
                Question(
                    "window_of_syn",
                    Text("Which number stands in the window field of the SYN itself?", "SYN 自己的窗口字段里是多少？"),
                    Count(),
                    OfSegment(1, "window"),
                    lambda own: own.window,
                    Text(
                        "The window field of a SYN is never scaled: nothing is agreed on yet. RFC 7323 2.2",
                        "SYN 的窗口字段从不缩放：此时双方还没有达成一致。RFC 7323 2.2",
                    ),
                    {"syn-is-not-scaled": units},
                ),
            ),
        ),
        Round(
            Text(
                "Only one thing changes: your SYN+ACK has no window scale.",
                "只有一处改变：你的 SYN+ACK 不带窗口缩放。",
            ),
            change={"scales": 0},
            hint=Text(
                "A window is scaled only if both SYNs have the option.", "只有双方的 SYN 都带有该选项，窗口才会缩放。"
            ),
            predict=(
                Question(
                    "window_without_scale",
                    Text(
                        "Which number stands in the window field of the third segment now?",
                        "现在第三个报文段的窗口字段里是多少？",
                    ),
                    Count(),
                    OfSegment(2, "window"),
                    lambda own: own.window,
                    Text(
                        "Without the option in both SYNs no window is scaled. RFC 7323 2.2",
                        "只要有一方的 SYN 不带该选项，双方的窗口都不缩放。RFC 7323 2.2",
                    ),
                    {"scale-needs-both": units},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Which options agree on something, and which are needed in each segment?",
            "哪些选项用来协商，哪些每个报文段都需要？",
        ),
        Text(
            "The window field has 16 bits. A window scale of s means units of 2**s bytes, in every segment but SYNs.",
            "窗口字段有 16 位。窗口缩放为 s 表示以 2**s 字节为单位，SYN 报文段除外。",
        ),
        Text(
            "Each side scales its own window by the number in its own SYN. Divide by 2**s and round up.",
            "双方各自按自己 SYN 里的数缩放自己的窗口。除以 2**s，向上取整。",
        ),
    ),
    learned=Text(
        "The third segment has x+1 and y+1, and only the options that every segment has. Its window is scaled if both"
        " SYNs have the option.",
        "第三个报文段的序列号是 x+1、确认号是 y+1，只带每个报文段都有的选项。双方的 SYN 都带有窗口缩放时，"
        "它的窗口才会缩放。",
    ),
)
