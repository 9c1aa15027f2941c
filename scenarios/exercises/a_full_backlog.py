"""E18: how many connections a backlog holds, and what the others see."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Flags, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_abort_on_overflow", own.aborts)
    server = lab.kernel.listen(port=own.port, backlog=own.backlog)
    late = lab.peer(to=server).syn_received()
    for _ in range(own.backlog + 1):
        lab.peer(to=server).syn_received().send("A")
    lab.verify("ESTABLISHED", own.backlog + 1, lab.kernel.count("ESTABLISHED"))
    lab.step("SYN")
    for _ in range(own.more):
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect_silence()
    lab.verify("ESTABLISHED", own.backlog + 1, lab.kernel.count("ESTABLISHED"))
    lab.verify("ListenOverflows", own.more, lab.kernel.counter("TcpExtListenOverflows"))
    lab.step("ACK")
    late.send("A")
    if own.aborts:
        late.expect("R", seq=1)
        lab.kernel.expect_state(late, "CLOSED")
    else:
        late.expect_silence()
        lab.kernel.expect_state(late, "SYN-RECEIVED")


EXERCISE = Exercise(
    id="E18",
    title=Text("A full backlog", "满了的 backlog"),
    goal=Text(
        "Say how many connections a backlog holds, and recognize from the client's side that it is full.",
        "会说出 backlog 能容纳几个连接，并能从客户端一侧看出它已满。",
    ),
    minutes=10,
    section="RFC 9293 3.10.7.2, listen(2)",
    article="3.2",
    run=run,
    draw={
        "port": range(1024, 30000),
        "backlog": range(2, 8),
        "more": range(2, 12),
        "aborts": (0,),
    },
    derive={"fills": lambda own: own.backlog + 1},
    rounds=(
        Round(
            Text(
                "A program calls listen() with a backlog of {backlog}, and never accept(). First a client L sends SYN"
                " and gets SYN+ACK, but keeps its ACK back. Then clients connect one after the other until the queue"
                " is full. After that {more} further clients send SYN. At last L sends its ACK.",
                "程序以 backlog {backlog} 调用 listen()，但从不调用 accept()。先有客户端 L 发送 SYN 并得到 SYN+ACK，"
                "但暂时不发 ACK。然后其他客户端逐个建立连接，直到队列已满。此后又有 {more} 个客户端发送 SYN。"
                "最后 L 才发送它的 ACK。",
            ),
            predict=(
                Question(
                    "established",
                    Text("How many connections are ESTABLISHED at the end?", "最后有几个连接处于 ESTABLISHED？"),
                    Count(),
                    Checked("ESTABLISHED"),
                    lambda own: own.backlog + 1,
                    Text(
                        "Linux calls the queue full when it is longer than the backlog: {backlog} and one. listen(2)",
                        "队列长度超过 backlog 时，Linux 才认为它已满：{backlog} 再加一个。listen(2)",
                    ),
                    {
                        "one-more-than-the-backlog": lambda own: own.backlog,
                        "accept-completes": lambda _: 0,
                        "backlog-is-a-limit": lambda own: own.backlog + 2 + own.more,
                    },
                ),
                Question(
                    "syn",
                    Text(
                        "Which control bits does the kernel's answer to the SYN of a further client have?",
                        "内核对后来的客户端的 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN"),
                    lambda _: "",
                    Text(
                        "None: the SYN is dropped. To the client it looks like loss, so it tries again later. RFC 9293"
                        " 3.8.1",
                        "没有应答：SYN 被丢弃。在客户端看来就像丢失了报文段，所以稍后会再试。RFC 9293 3.8.1",
                    ),
                    {"full-is-no-refusal": lambda _: "RA", "full-answers-no-syn": lambda _: "SA"},
                ),
                Question(
                    "late",
                    Text(
                        "And the kernel's answer to the ACK of L, the last segment?",
                        "对最后一个报文段，即 L 的 ACK，内核的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "",
                    Text(
                        "There is no room for the connection, so the ACK is dropped too. listen(2)",
                        "没有位置放这个连接，所以这个 ACK 也被丢弃。listen(2)",
                    ),
                    {"full-is-no-refusal": lambda _: "R", "an-ack-is-not-acknowledged": lambda _: "A"},
                ),
                Question(
                    "late_state",
                    Text(
                        "L believes to be connected. In which state does the kernel hold its connection?",
                        "L 认为自己已经连接。内核中它的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "SYN-RECEIVED, as if the ACK had been lost. The kernel sends its SYN+ACK again. RFC 9293 3.8.1",
                        "SYN-RECEIVED，就像这个 ACK 丢失了一样。内核会重传 SYN+ACK。RFC 9293 3.8.1",
                    ),
                    {"full-queue-takes-nobody": lambda _: State.ESTABLISHED, "request-is-kept": lambda _: State.CLOSED},
                ),
                Question(
                    "overflows",
                    Text(
                        "Before the ACK of L, how often has the server's counter TcpExtListenOverflows counted?",
                        "在 L 的 ACK 之前，服务器的计数器 TcpExtListenOverflows 计了几次？",
                    ),
                    Count(),
                    Checked("ListenOverflows"),
                    lambda own: own.more,
                    Text(
                        "Once for each SYN that was dropped: {more}. On the server only counters show it. nstat(8)",
                        "每丢弃一个 SYN 计一次：{more} 次。在服务器上只有计数器能显示。nstat(8)",
                    ),
                    {"silence-is-counted": lambda _: 0},
                ),
            ),
        ),
        Round(
            Text(
                "One setting changes: tcp_abort_on_overflow is 1. The same {fills} connections fill the queue, and the"
                " same clients come too late.",
                "只改一个设置：tcp_abort_on_overflow 为 1。同样 {fills} 个连接占满队列，同样的客户端来晚了。",
            ),
            change={"aborts": 1},
            predict=(
                Question(
                    "syn_now",
                    Text(
                        "Which control bits does the answer to the SYN of a further client have now?",
                        "现在，对后来的客户端的 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN"),
                    lambda _: "",
                    Text(
                        "Still none: the setting is about third segments only. tcp(7)",
                        "仍然没有应答：这个设置只管第三个报文段。tcp(7)",
                    ),
                    {"abort-is-for-acks": lambda _: "RA"},
                ),
                Question(
                    "late_now",
                    Text("And the answer to the ACK of L?", "对 L 的 ACK 的应答呢？"),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "R",
                    Text(
                        "A reset, and the request is gone: L learns at once that nobody serves it. tcp(7)",
                        "复位，请求也随之消失：L 立即知道没有程序为它服务。tcp(7)",
                    ),
                    {"setting-has-no-effect": lambda _: "", "reset-without-ack": lambda _: "RA"},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Connections that are ready for accept() wait in a queue. Would a busy server refuse clients, or hope that"
            " they come again?",
            "等待 accept() 的连接在一个队列里。繁忙的服务器会拒绝客户端，还是希望它们再来？",
        ),
        Text(
            "Silence makes a client try again, a reset makes it fail.",
            "沉默让客户端再试，复位让它失败。",
        ),
        Text(
            "The queue holds one more than the backlog. What finds no room is dropped, SYN as well as ACK.",
            "队列能容纳比 backlog 多一个连接。放不下的都会丢弃，不论是 SYN 还是 ACK。",
        ),
    ),
    learned=Text(
        "A backlog holds one connection more than its number. When it is full, the kernel drops SYNs and third segments"
        " without a word, which looks like loss; only counters show it.",
        "backlog 能容纳的连接比它的数值多一个。满了之后，内核不声不响地丢弃 SYN 和第三个报文段，看起来像报文段丢失，"
        "只有计数器能显示。",
    ),
)
