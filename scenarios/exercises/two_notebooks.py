"""E03: which machines keep an entry for a connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count
from lab.exercise.readings import Checked, HowMany


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peers = [lab.peer(to=server) for _ in range(own.n)]
    for peer in peers:
        peer.open()
    lab.step("DATA")
    for peer in peers:
        peer.send("PA", payload="hello")
        peer.expect("A", seq=1, ack=6)
    if own.reset:
        lab.step("RST")
        for peer in peers[: own.reset]:
            peer.send("R")
            peer.expect_silence()
    lab.step("SS")
    at_kernel = lab.kernel.count()
    lab.verify("connections at the kernel", own.left, at_kernel)
    at_router = lab.router.count()
    lab.verify("connections at the router", 0, at_router)
    at_peers = sum(peer.state == "ESTABLISHED" for peer in peers)
    lab.verify("entries on all three machines", 2 * own.left, at_kernel + at_router + at_peers)
    lab.router.expect_only_hop_limit_changed()


def some(own: Numbers) -> int:
    """How many connections the learner resets: not all."""
    return 1 + own.some % (own.n - 1)


WHY_KERNEL = Text(
    "The kernel keeps one entry for each connection: addresses, ports, state, sequence numbers, buffers."
    " RFC 9293 3.3.1",
    "内核为每个连接保存一个条目：地址、端口、状态、序列号、缓冲区。RFC 9293 3.3.1",
)
WHY_ROUTER = Text(
    "A router looks at the IP header, and forgets the packet. State of the connection is at its two ends only."
    " RFC 1812 5.3.1",
    "路由器只看 IP 首部，转发后就忘记这个数据包。连接的状态只在两端。RFC 1812 5.3.1",
)

EXERCISE = Exercise(
    id="E03",
    title=Text("Two notebooks", "两个记录本"),
    goal=Text(
        "Say which machines on the way keep state of a connection, and how many entries that is.",
        "会说出路径上哪些机器保存连接的状态，一共有多少个条目。",
    ),
    minutes=8,
    section="RFC 9293 3.3.1, 4 (connection)",
    article="1.2",
    run=run,
    router=True,
    draw={"port": range(1024, 30000), "n": range(4, 20), "some": range(100), "gone": (0,)},
    derive={
        "r": some,
        "reset": lambda own: some(own) * own.gone,
        "left": lambda own: own.n - some(own) * own.gone,
    },
    rounds=(
        Round(
            Text(
                "You open {n} connections to port {port} of the kernel, through a router, and send five bytes over"
                " each. All are acknowledged. Then somebody runs ss -tan on the server and on the router, and you count"
                " the connections in your own program.",
                "你经过一台路由器，与内核的端口 {port} 建立 {n} 个连接，每个连接上发送五个字节，都得到确认。"
                "然后有人在服务器和路由器上运行 ss -tan，你也清点自己程序里的连接。",
            ),
            predict=(
                Question(
                    "kernel",
                    Text(
                        "How many connections does the server's kernel know, not counting the listener?",
                        "服务器的内核知道几个连接（不计监听方）？",
                    ),
                    Count(),
                    Checked("connections at the kernel"),
                    lambda own: own.left,
                    WHY_KERNEL,
                    {
                        "port-is-no-connection": lambda _: 1,
                        "listener-counted": lambda own: own.n + 1,
                        "entry-for-each-direction": lambda own: 2 * own.n,
                    },
                ),
                Question(
                    "router",
                    Text("And how many does the router's kernel know?", "路由器的内核知道几个？"),
                    Count(),
                    Checked("connections at the router"),
                    lambda _: 0,
                    WHY_ROUTER,
                    {"router-keeps-state": lambda own: own.n, "port-is-no-connection": lambda _: 1},
                ),
                Question(
                    "total",
                    Text(
                        "How many entries is that on all three machines: server, router, and your own side?",
                        "服务器、路由器和你自己这一端，三台机器上一共有多少个条目？",
                    ),
                    Count(),
                    Checked("entries on all three machines"),
                    lambda own: 2 * own.left,
                    Text(
                        "Each connection is written down twice, once at each end. RFC 9293 3.3.1",
                        "每个连接记录两次，两端各一次。RFC 9293 3.3.1",
                    ),
                    {"one-end-keeps-state": lambda own: own.n, "router-keeps-state": lambda own: 3 * own.n},
                ),
            ),
            investigate=(
                Question(
                    "forwarded",
                    Text(
                        "How many TCP segments has the router forwarded for these connections, in both directions?",
                        "路由器为这些连接一共转发了多少个 TCP 报文段（两个方向合计）？",
                    ),
                    Count(),
                    HowMany(),
                    lambda own: 5 * own.n,
                    Text(
                        "Three for each handshake, two for each piece of data, and none of them left a trace."
                        " RFC 9293 3.5",
                        "每次握手三个，每次数据传输两个，一个都没有留下记录。RFC 9293 3.5",
                    ),
                    {"data-is-not-acknowledged": lambda own: 4 * own.n},
                ),
            ),
        ),
        Round(
            Text(
                "As before, but after the data you send RST over {r} of the {n} connections.",
                "和之前一样，但传输数据之后，你在 {n} 个连接中的 {r} 个上发送 RST。",
            ),
            change={"gone": 1},
            hint=Text(
                "Which of the two ends remembers a connection after a reset?",
                "复位之后，两端中还有哪一端记得这个连接？",
            ),
            predict=(
                Question(
                    "kernel_after",
                    Text("How many connections does the server's kernel know now?", "现在服务器的内核知道几个连接？"),
                    Count(),
                    Checked("connections at the kernel"),
                    lambda own: own.left,
                    Text(
                        "A reset removes the entry of its own connection at once, and no other. RFC 9293 3.10.7.4",
                        "复位立即删除它所属连接的条目，不影响其他条目。RFC 9293 3.10.7.4",
                    ),
                    {"reset-waits": lambda own: own.n, "reset-ends-all": lambda _: 0},
                ),
                Question(
                    "total_after",
                    Text("And how many entries are there on all three machines?", "三台机器上一共有多少个条目？"),
                    Count(),
                    Checked("entries on all three machines"),
                    lambda own: 2 * own.left,
                    Text(
                        "Both ends forget a connection that is reset: the one that sends RST, and the one that receives"
                        " it. RFC 9293 3.10.7.4",
                        "被复位的连接两端都会忘记：发送 RST 的一端和收到它的一端。RFC 9293 3.10.7.4",
                    ),
                    {
                        "sender-of-reset-remembers": lambda own: 2 * own.n - own.r,
                        "one-end-keeps-state": lambda own: own.left,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text("What would a router do with such an entry?", "路由器要这样的条目有什么用？"),
        Text(
            "An entry has what an end needs to send the next segment: numbers, windows, buffers.",
            "条目里是一端发送下一个报文段所需要的内容：序列号、窗口、缓冲区。",
        ),
        Text(
            "One entry at each end of each connection, and none on the way.",
            "每个连接在两端各有一个条目，中途没有。",
        ),
    ),
    learned=Text(
        "A connection is two notebooks, one at each end. A router between them has none.",
        "一个连接就是两个记录本，两端各有一个。中间的路由器没有。",
    ),
)
