"""E11: when a SYN is sent again, and what is new in the copy."""

from lab import Lab, NotApplicable
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round, Seen
from lab.exercise.notation import Count, Several, StateName
from lab.exercise.readings import KernelState, SentAgainAfter
from lab.record.events import FrameSeen, Recording
from lab.tcp.options import timestamp, value_of
from lab.tcp.segment import Segment
from lab.tcp.state import State

LINEAR = "net.ipv4.tcp_syn_linear_timeouts"
FIELDS = (
    Text("sequence number", "序列号"),
    Text("window", "窗口"),
    Text("MSS", "MSS"),
    Text("TSval, the sender's time in the timestamps option", "TSval，即时间戳选项中发送方的时间"),
)


def run(lab: Lab, own: Numbers) -> None:
    if lab.kernel.sysctl(LINEAR, missing="none") != "none":
        lab.kernel.sysctl(LINEAR, own.linear)
    elif own.linear:
        raise NotApplicable("this kernel has no sysctl net.ipv4.tcp_syn_linear_timeouts")
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")
    peer.expect_retransmissions("S", 2)
    client.close()
    peer.expect_silence()


class NewInTheCopy:
    """The options of FIELDS in which the kernel's second segment differs from its first; the event is the second."""

    field = "window"

    def __call__(self, recording: Recording) -> Seen | None:
        """Compare them."""
        sent = [
            (at, event.segment)
            for at, event in enumerate(recording.events)
            if isinstance(event, FrameSeen) and not event.from_peer and event.segment is not None
        ]
        if len(sent) < 2:
            return None
        (_, first), (at, second) = sent[:2]
        pairs = zip(compared(first), compared(second), strict=True)
        return Seen(frozenset(option for option, (before, after) in enumerate(pairs) if before != after), at)


def compared(segment: Segment) -> tuple[object, ...]:
    """The values of FIELDS."""
    stamp = timestamp(segment.options)
    return int(segment.seq), segment.window, value_of(segment.options, "MSS"), stamp and stamp[0]


EXERCISE = Exercise(
    id="E11",
    title=Text("Copies of a SYN", "SYN 的重传"),
    goal=Text(
        "Say when a SYN is sent again if nobody answers, and what differs from the first one.",
        "会说出没有应答时 SYN 何时重传，与第一个有什么不同。",
    ),
    minutes=10,
    section="RFC 6298 2.1, 5.5; RFC 9293 3.8.1; tcp(7)",
    article="3.2",
    run=run,
    waits=True,
    draw={"port": range(1024, 30000), "linear": (0,)},
    rounds=(
        Round(
            Text(
                "A program connects to your port {port}, and you never answer. The kernel's setting"
                " net.ipv4.tcp_syn_linear_timeouts is 0, as in kernels before 6.5. You count the time from the first"
                " SYN on.",
                "一个程序连接到你的端口 {port}，你一直不应答。内核的设置 net.ipv4.tcp_syn_linear_timeouts 为 0，"
                "与 6.5 之前的内核一样。你从第一个 SYN 开始计时。",
            ),
            predict=(
                Question(
                    "first_copy",
                    Text(
                        "After how many whole seconds is the SYN sent again for the first time?",
                        "多少整秒之后 SYN 第一次重传？",
                    ),
                    Count(),
                    SentAgainAfter(1),
                    lambda _: 1,
                    Text("The first timeout is one second. RFC 6298 2.1", "初始超时为一秒。RFC 6298 2.1"),
                    {"timeout-of-the-old-rfc": lambda _: 3, "timeout-without-a-measurement": lambda _: 0},
                ),
                Question(
                    "second_copy",
                    Text(
                        "And after how many whole seconds for the second time, counted from the first SYN?",
                        "从第一个 SYN 算起，多少整秒之后第二次重传？",
                    ),
                    Count(),
                    SentAgainAfter(2),
                    lambda _: 3,
                    Text(
                        "The timeout doubles: one second, then two more. RFC 6298 5.5",
                        "超时加倍：一秒，再加两秒。RFC 6298 5.5",
                    ),
                    {"timeout-doubles": lambda _: 2, "doubled-from-the-start": lambda _: 4},
                ),
                Question(
                    "new",
                    Text(
                        "In which of these does the first copy differ from the original?",
                        "第一次重传的 SYN 与原来的相比，哪些不同？",
                    ),
                    Several(FIELDS),
                    NewInTheCopy(),
                    lambda _: frozenset({3}),
                    Text(
                        "It is the same SYN, with the time at which it is sent: TSval. RFC 7323 3.2",
                        "它是同一个 SYN，只有发送时间 TSval 不同。RFC 7323 3.2",
                    ),
                    {
                        "copy-has-its-own-time": lambda _: frozenset(),
                        "copy-is-no-new-attempt": lambda _: frozenset({0, 3}),
                    },
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text(
                        "In which state does ss show the kernel's connection while its SYN is not answered?",
                        "SYN 没有得到应答时，ss 显示内核的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState(),
                    lambda _: State.SYN_SENT,
                    Text(
                        "A retransmission changes no state. RFC 9293 3.3.2",
                        "重传不改变状态。RFC 9293 3.3.2",
                    ),
                    {"copies-open-nothing": lambda _: State.SYN_RECEIVED},
                ),
            ),
        ),
        Round(
            Text(
                "One setting changes: net.ipv4.tcp_syn_linear_timeouts = 4, the default since Linux 6.5.",
                "只改一个设置：net.ipv4.tcp_syn_linear_timeouts = 4，这是 Linux 6.5 以来的默认值。",
            ),
            change={"linear": 4},
            hint=Text(
                "Four timeouts do not double yet. How long is each of them?",
                "前四次超时还不加倍。每次多长？",
            ),
            predict=(
                Question(
                    "second_copy_later",
                    Text(
                        "After how many whole seconds is the SYN sent for the second time again, counted from the first"
                        " SYN?",
                        "从第一个 SYN 算起，现在多少整秒之后第二次重传？",
                    ),
                    Count(),
                    SentAgainAfter(2),
                    lambda _: 2,
                    Text(
                        "The first four timeouts are one second each; after them they double. Documentation of the"
                        " kernel, ip-sysctl",
                        "前四次超时各为一秒，之后才加倍。内核文档 ip-sysctl",
                    ),
                    {
                        "setting-has-no-effect": lambda _: 3,
                        "linear-does-not-double": lambda _: 4,
                        "linear-is-no-number-of-seconds": lambda _: 8,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "How long may an answer take? When the kernel has no measurement, it needs a default.",
            "应答可能要多久？没有测量值时，内核需要一个默认值。",
        ),
        Text(
            "Exponential: each timeout is twice as long as the one before. Linear: all are alike.",
            "指数：每次超时是前一次的两倍。线性：每次都相同。",
        ),
        Text(
            "1 and 1+2, or 1 and 1+1. A copy has the number of the original, and a time of its own.",
            "1 和 1+2，或者 1 和 1+1。重传的序列号与原来相同，时间是自己的。",
        ),
    ),
    learned=Text(
        "A SYN is sent again after a second, then after longer and longer times, first linearly and then"
        " doubled. Its sequence number stays.",
        "SYN 在一秒之后重传，之后间隔先线性、再加倍。它的序列号不变。",
    ),
)
