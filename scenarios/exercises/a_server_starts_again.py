"""E50: what bind() says when a server starts again."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Errno, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfCall, OfSegment
from lab.tcp.state import State

RUNS = ((0, 0), (0, 1), (1, 1))


def run(lab: Lab, own: Numbers) -> None:
    for at, (first, second) in enumerate(RUNS):
        lab.step("SYN")
        server = lab.kernel.listen(port=own.port + at, options={"SO_REUSEADDR": first})
        peer = lab.peer(to=server, iss=own.x)
        connection = peer.open()
        peer.send("PA", payload=b"." * own.n)
        peer.expect("A", seq=1, ack=1 + own.n)
        connection.expect_data(b"." * own.n)
        lab.step(f"FIN {first} {second}")
        if own.client_first:
            peer.send("FA")
            peer.expect("A", seq=1, ack=2 + own.n)
            connection.expect_eof()
            connection.close()
            peer.expect("FA", seq=1, ack=2 + own.n)
            peer.send("A")
            lab.kernel.expect_state(peer, "CLOSED")
        else:
            connection.close()
            peer.expect("FA", seq=1, ack=1 + own.n)
            peer.send("FA")
            peer.expect("A", seq=2, ack=2 + own.n)
            lab.kernel.expect_state(peer, "TIME-WAIT")
        server.close()
        lab.step(f"bind() {first} {second}")
        allowed = own.client_first or (first and second)
        lab.kernel.listen(port=own.port + at, options={"SO_REUSEADDR": second}, error="" if allowed else "EADDRINUSE")


EXERCISE = Exercise(
    id="E50",
    title=Text("A server starts again", "重新启动服务器"),
    goal=Text(
        "Say why a server cannot be started again for a minute, and how a program avoids that.",
        "会说出服务器为什么一分钟内不能重新启动，以及程序如何避免。",
    ),
    minutes=10,
    section="RFC 9293 3.6.1; bind(2), socket(7) SO_REUSEADDR",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "client_first": (0,),
    },
    rounds=(
        Round(
            Text(
                "A server's program has served one client: your SYN had x = {x}, you sent {n} bytes. It closes the"
                " connection, then you do; it closes the listening socket and ends. Then it is started again at once"
                " and binds the same port. This is tried three times, on three ports: SO_REUSEADDR is set in neither"
                " run; in the second run only; in both.",
                "服务器程序为一个客户端服务过：你的 SYN 的序列号为 x = {x}，你发送了 {n} 字节。它关闭连接，然后你关闭；"
                "它关闭监听套接字并结束。然后它立即重新启动，绑定同一个端口。"
                "这样试三次，在三个端口上：两次运行都不设置 SO_REUSEADDR；只在第二次运行时设置；两次都设置。",
            ),
            predict=(
                Question(
                    "neither",
                    Text(
                        "How does bind() end when neither run sets the option?", "两次都不设置时，bind() 的结果是什么？"
                    ),
                    Errno(),
                    OfCall("bind", step="bind() 0 0"),
                    lambda _: "EADDRINUSE",
                    Text(
                        "The old connection is in TIME-WAIT, and occupies the port of the server. bind(2)",
                        "旧连接处于 TIME-WAIT，占着服务器的端口。bind(2)",
                    ),
                    {
                        "port-is-free-at-once": lambda _: "",
                        "connect-says-not-available": lambda _: "EADDRNOTAVAIL",
                        "no-right-is-missing": lambda _: "EACCES",
                    },
                ),
                Question(
                    "second_only",
                    Text("And when only the second run sets it?", "只在第二次运行时设置呢？"),
                    Errno(),
                    OfCall("bind", step="bind() 0 1"),
                    lambda _: "EADDRINUSE",
                    Text(
                        "Both sockets must have it: the connection has inherited it from the old listener, or not."
                        " socket(7)",
                        "两个套接字都必须设置：连接从旧的监听方继承这个选项，这次没有继承到。socket(7)",
                    ),
                    {"new-option-is-enough": lambda _: "", "connect-says-not-available": lambda _: "EADDRNOTAVAIL"},
                ),
                Question(
                    "both",
                    Text("And when both runs set it?", "两次都设置呢？"),
                    Errno(),
                    OfCall("bind", step="bind() 1 1"),
                    lambda _: "",
                    Text(
                        "Old and new socket agree to share the port. socket(7)",
                        "新旧套接字都同意共用端口。socket(7)",
                    ),
                    {"time-wait-blocks-always": lambda _: "EADDRINUSE"},
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number did the kernel's last ACK on the first port have?",
                        "第一个端口上，内核的最后一个 ACK 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(2, "ack", base="x", step="FIN 0 0"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for your FIN. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，你的 FIN 占一个。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text(
                        "In which state was the connection on the first port when the program was started again?",
                        "程序重新启动时，第一个端口上的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("FIN 0 0"),
                    lambda _: State.TIME_WAIT,
                    Text("The server closed first. RFC 9293 3.6.1", "服务器先关闭。RFC 9293 3.6.1"),
                    {"nobody-waits": lambda _: State.CLOSED},
                ),
            ),
        ),
        Round(
            Text(
                "The same three tries, but you close each connection first, and the server's program second.",
                "同样试三次，但每个连接都由你先关闭，服务器程序后关闭。",
            ),
            change={"client_first": 1},
            predict=(
                Question(
                    "neither_client_first",
                    Text(
                        "How does bind() end when neither run sets the option?", "两次都不设置时，bind() 的结果是什么？"
                    ),
                    Errno(),
                    OfCall("bind", step="bind() 0 0"),
                    lambda _: "",
                    Text(
                        "TIME-WAIT is with you now; nothing occupies the server's port. RFC 9293 3.6.1",
                        "现在 TIME-WAIT 在你这里；没有什么占着服务器的端口。RFC 9293 3.6.1",
                    ),
                    {"second-closer-waits": lambda _: "EADDRINUSE"},
                ),
                Question(
                    "state_client_first",
                    Text(
                        "In which state is the connection on the first port at the kernel? (CLOSED if it is gone.)",
                        "第一个端口上的连接在内核中处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("FIN 0 0"),
                    lambda _: State.CLOSED,
                    Text(
                        "LAST-ACK ended with your ACK. RFC 9293 3.3.2",
                        "LAST-ACK 随你的 ACK 结束。RFC 9293 3.3.2",
                    ),
                    {
                        "second-closer-waits": lambda _: State.TIME_WAIT,
                        "fin-is-unacknowledged": lambda _: State.LAST_ACK,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What is left on the server's port after the program has ended?", "程序结束之后，服务器的端口上还剩下什么？"
        ),
        Text(
            "A connection inherits the options of the listener that it came from.",
            "连接继承它所来自的监听方的选项。",
        ),
        Text(
            "SO_REUSEADDR has to be there in both runs, before bind().",
            "两次运行都要在 bind() 之前设置 SO_REUSEADDR。",
        ),
    ),
    learned=Text(
        "A server that closes first leaves TIME-WAIT on its port. SO_REUSEADDR helps if it was set in both runs.",
        "先关闭的服务器在自己的端口上留下 TIME-WAIT。两次运行都设置 SO_REUSEADDR 才有用。",
    ),
)
