"""E08: where the MSS of a SYN comes from, and who obeys it."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count
from lab.exercise.readings import OfSegment


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.set_mtu(own.mtu)
    peer = lab.peer(port=own.port, mss=own.theirs)
    client = lab.kernel.connect(to=peer)
    lab.step("MTU")
    peer.expect("S", seq=0)
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()
    lab.step("DATA")
    client.send(b"." * own.total)
    used = min(own.theirs, announced(own))
    peer.skip_until("PA", seq=1 + used, payload=b"." * (own.total - used))
    peer.send("A")
    lab.step("ADVMSS")
    lab.kernel.set_route(advmss=own.advmss)
    peer = lab.peer(port=own.port + 1)
    lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.step("MAXSEG")
    peer = lab.peer(port=own.port + 2)
    lab.kernel.connect(to=peer, options={"TCP_MAXSEG": own.maxseg})
    peer.expect("S", seq=0)


def headers(own: Numbers) -> int:
    """The fixed headers of IP and TCP in bytes."""
    return 60 if own.family == 6 else 40


def announced(own: Numbers) -> int:
    """The MSS that follows from the MTU."""
    return own.mtu - headers(own)


EXERCISE = Exercise(
    id="E08",
    title=Text("What I can take", "我能接收多大"),
    goal=Text(
        "Say which MSS a host announces, where it comes from, and how large the segments are that follow.",
        "会说出主机通告的 MSS 是多少、由什么决定，以及之后的报文段有多大。",
    ),
    minutes=12,
    section="RFC 9293 3.7.1, 3.2",
    article="3.2",
    run=run,
    draw={
        "port": range(1024, 30000),
        "mtu": range(1300, 1430),
        "advmss": range(900, 1200),
        "maxseg": range(300, 800),
        "theirs": range(760, 1000),
        "total": range(1460, 1510),
    },
    rounds=(
        Round(
            Text(
                "Over IPv{family}, the kernel's interface has an MTU of {mtu} bytes. A program connects to you: the"
                " first SYN. Your SYN+ACK has MSS {theirs} and no other option, and the program sends {total} bytes."
                " Then the route to you gets advmss {advmss}, and another program connects: the second SYN. A third"
                " program sets TCP_MAXSEG to {maxseg} before it connects: the third SYN.",
                "使用 IPv{family}，内核接口的 MTU 为 {mtu} 字节。一个程序连接到你：第一个 SYN。"
                "你的 SYN+ACK 带 MSS {theirs}，没有其他选项，程序发送 {total} 字节。"
                "然后给通往你的路由设置 advmss {advmss}，另一个程序连接：第二个 SYN。"
                "第三个程序在连接之前把 TCP_MAXSEG 设为 {maxseg}：第三个 SYN。",
            ),
            predict=(
                Question(
                    "of_mtu",
                    Text("Which MSS does the first SYN have?", "第一个 SYN 的 MSS 是多少？"),
                    Count(),
                    OfSegment(1, "mss", step="MTU"),
                    announced,
                    Text(
                        "The MTU less the fixed headers of IP and TCP: 40 bytes over IPv4, 60 over IPv6."
                        " RFC 9293 3.7.1",
                        "MTU 减去 IP 和 TCP 的固定首部：IPv4 为 40 字节，IPv6 为 60 字节。RFC 9293 3.7.1",
                    ),
                    {
                        "headers-not-subtracted": lambda own: own.mtu,
                        "one-header-subtracted": lambda own: own.mtu - headers(own) + 20,
                        "mss-is-no-constant": lambda own: 1500 - headers(own),
                        "mss-is-not-negotiated": lambda own: own.theirs,
                    },
                ),
                Question(
                    "length",
                    Text(
                        "How many bytes of data does the kernel's first segment with data carry?",
                        "内核的第一个带数据的报文段携带多少字节数据？",
                    ),
                    Count(),
                    OfSegment(1, "length", step="DATA"),
                    lambda own: min(own.theirs, announced(own)),
                    Text(
                        "As many as you take, but no more than the kernel's own interface carries. RFC 9293 3.7.1",
                        "按你能接收的大小，但不超过内核自己的接口所能承载的。RFC 9293 3.7.1",
                    ),
                    {
                        "own-mss-limits-others": announced,
                        "headers-subtracted-twice": lambda own: own.theirs - headers(own),
                        "all-in-one-segment": lambda own: own.total,
                    },
                ),
                Question(
                    "of_route",
                    Text("Which MSS does the second SYN have?", "第二个 SYN 的 MSS 是多少？"),
                    Count(),
                    OfSegment(1, "mss", step="ADVMSS"),
                    lambda own: own.advmss,
                    Text(
                        "The route says which MSS to advertise. ip-route(8), advmss",
                        "路由规定了通告的 MSS。ip-route(8), advmss",
                    ),
                    {
                        "only-the-mtu-counts": announced,
                        "headers-subtracted-twice": lambda own: own.advmss - headers(own),
                    },
                ),
                Question(
                    "of_option",
                    Text("Which MSS does the third SYN have?", "第三个 SYN 的 MSS 是多少？"),
                    Count(),
                    OfSegment(1, "mss", step="MAXSEG"),
                    lambda own: own.maxseg,
                    Text(
                        "The program's own limit is smaller than that of the route, and the smaller one counts. tcp(7)",
                        "程序自己的限制小于路由的限制，取较小者。tcp(7)",
                    ),
                    {
                        "only-the-mtu-counts": announced,
                        "smallest-limit-counts": lambda own: own.advmss,
                        "headers-subtracted-twice": lambda own: own.maxseg - headers(own),
                    },
                ),
            ),
        ),
        Round(
            Text(
                "All as before, but your SYN+ACK has MSS 9000.",
                "其他不变，但你的 SYN+ACK 带 MSS 9000。",
            ),
            change={"theirs": 9000},
            hint=Text(
                "Which of two limits is the smaller one now?",
                "现在两个限制中哪一个更小？",
            ),
            predict=(
                Question(
                    "length_for_9000",
                    Text(
                        "How many bytes of data does the kernel's first segment with data carry now?",
                        "现在内核的第一个带数据的报文段携带多少字节数据？",
                    ),
                    Count(),
                    OfSegment(1, "length", step="DATA"),
                    announced,
                    Text(
                        "You would take more, but the kernel's interface carries no more. RFC 9293 3.7.1",
                        "你能接收更多，但内核的接口承载不了。RFC 9293 3.7.1",
                    ),
                    {
                        "all-in-one-segment": lambda own: own.total,
                        "headers-not-subtracted": lambda own: own.mtu,
                        "headers-subtracted-twice": lambda own: announced(own) - headers(own),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "MSS is about data: IP packets also contain two headers.",
            "MSS 指的是数据：IP 数据包里还有两个首部。",
        ),
        Text(
            "Each side announces what it can take. The other side obeys, and announces its own.",
            "双方各自通告自己能接收的大小。对方照办，并通告自己的。",
        ),
        Text(
            "The MTU less 40 bytes over IPv4, less 60 over IPv6, unless route or program set a smaller limit.",
            "MTU 减去 40 字节（IPv4）或 60 字节（IPv6），除非路由或程序设置了更小的限制。",
        ),
    ),
    learned=Text(
        "The MSS of a SYN is what its sender can take. Nothing is negotiated: the other side obeys it.",
        "SYN 里的 MSS 是发送方自己能接收的大小。双方并没有协商：对方遵守它。",
    ),
)
