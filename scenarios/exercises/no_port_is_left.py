"""E48: connections in TIME-WAIT keep the ports of a client."""

from lab import Lab, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Errno
from lab.exercise.readings import Checked, OfCall


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.ip_local_port_range", f"{own.first} {own.last}")
    for _ in range(1 if own.kept else own.k):
        open_and_close(lab, lab.peer(port=own.port), own.k + 1 if own.kept else 0)
    lab.verify("TIME-WAIT", 1 if own.kept else own.k, lab.kernel.count("TIME-WAIT"))
    lab.step("connect()")
    once_more = lab.peer(port=own.port)
    if own.kept:
        connect(lab, once_more)
        return
    lab.kernel.connect(to=once_more, error="EADDRNOTAVAIL")
    lab.step("connect() 2")
    connect(lab, lab.peer(port=own.port + 1))


def connect(lab: Lab, peer: Peer) -> None:
    """A connection that the kernel opens."""
    client = lab.kernel.connect(to=peer)
    peer.open()
    client.expect_connected()


def open_and_close(lab: Lab, peer: Peer, requests: int) -> None:
    """One connection that the kernel opens, uses for some requests, and closes first."""
    lab.kernel.connect(to=peer)
    connection = peer.open()
    for number in range(requests):
        connection.send("?")
        peer.expect("PA", seq=1 + number, ack=1 + number, payload="?")
        peer.send("PA", payload="!")
        peer.expect("A", seq=2 + number, ack=2 + number)
        connection.expect_data("!")
    connection.close()
    peer.expect("FA", seq=1 + requests, ack=1 + requests)
    peer.send("FA")
    peer.expect("A", seq=2 + requests, ack=2 + requests)
    lab.kernel.expect_state(peer, "TIME-WAIT")


EXERCISE = Exercise(
    id="E48",
    title=Text("No port is left", "端口用完了"),
    goal=Text(
        "Compute how many connections to one server a client can open in a minute, and know what helps.",
        "会计算客户端一分钟内能与一台服务器建立多少个连接，并知道什么办法有用。",
    ),
    minutes=10,
    section="RFC 9293 3.6.1; RFC 6056 2.3; connect(2)",
    article="4.1",
    run=run,
    draw={
        "first": range(32768, 60000, 2),
        "k": range(4, 14, 2),  # of an odd number of ports the kernel leaves out one, by chance
        "port": range(1024, 30000),
        "kept": (0,),
    },
    derive={"last": lambda own: own.first + own.k - 1},
    rounds=(
        Round(
            Text(
                "The kernel is the client now, and you are the server on port {port}. net.ipv4.ip_local_port_range is"
                ' "{first} {last}". Nobody binds a port. As soon as a connection is open, the kernel\'s program'
                " closes it, and you close too. Then the program opens the next one, all within a second.",
                "现在内核是客户端，你是端口 {port} 上的服务器。net.ipv4.ip_local_port_range 为 {first} 到 {last}。"
                "没有程序用 bind() 指定端口。每个连接一建立，内核的程序就关闭它，你也关闭。"
                "然后程序建立下一个，全部在一秒之内。",
            ),
            predict=(
                Question(
                    "how_many",
                    Text(
                        "How many connections are in TIME-WAIT when the next connect() fails?",
                        "当下一次 connect() 失败时，有多少个连接处于 TIME-WAIT？",
                    ),
                    Count(),
                    Checked("TIME-WAIT"),
                    lambda own: own.k,
                    Text(
                        "Each keeps its port, and the range {first} to {last} has {k}, both ends included.",
                        "每个连接占着一个端口，从 {first} 到 {last} 共有 {k} 个，两端都算。",
                    ),
                    {
                        "fence-post": lambda own: own.k - 1,
                        "one-client-one-port": lambda _: 1,
                        "ports-are-free-after-close": lambda _: 0,
                    },
                ),
                Question(
                    "errno",
                    Text("How does that connect() end?", "那次 connect() 的结果是什么？"),
                    Errno(),
                    OfCall("connect", step="connect()"),
                    lambda _: "EADDRNOTAVAIL",
                    Text(
                        "The kernel finds no port for which the four-tuple is free, and sends nothing. connect(2)",
                        "内核找不到使四元组空闲的端口，什么都不发送。connect(2)",
                    ),
                    {
                        "bind-says-in-use": lambda _: "EADDRINUSE",
                        "server-did-not-refuse": lambda _: "ECONNREFUSED",
                        "nothing-was-sent": lambda _: "ETIMEDOUT",
                        "ports-are-free-after-close": lambda _: "",
                    },
                ),
                Question(
                    "other_port",
                    Text(
                        "At the same moment the program connects to another port of yours. How does that connect()"
                        " end?",
                        "同一时刻程序连接你的另一个端口。那次 connect() 的结果是什么？",
                    ),
                    Errno(),
                    OfCall("connect", step="connect() 2"),
                    lambda _: "",
                    Text(
                        "All four numbers identify a connection: with another port of the server each of the client's"
                        " ports is free again. RFC 9293 3.3.1",
                        "标识连接的是全部四项：服务器端口不同，客户端的每个端口就又空闲了。RFC 9293 3.3.1",
                    ),
                    {"port-alone-counts": lambda _: "EADDRNOTAVAIL", "bind-says-in-use": lambda _: "EADDRINUSE"},
                ),
            ),
        ),
        Round(
            Text(
                "The same range, but the program is written anew: it opens one connection, sends one request more over"
                " it than there are ports, gets your answers, and only then closes. After that it connects once more.",
                "端口范围不变，但程序改写了：它只建立一个连接，在上面发送的请求比端口数多一个，得到你的应答，"
                "然后才关闭。之后它再连接一次。",
            ),
            change={"kept": 1},
            predict=(
                Question(
                    "how_many_kept",
                    Text(
                        "How many connections are in TIME-WAIT before that last connect()?",
                        "最后那次 connect() 之前，有多少个连接处于 TIME-WAIT？",
                    ),
                    Count(),
                    Checked("TIME-WAIT"),
                    lambda _: 1,
                    Text(
                        "TIME-WAIT follows each connection, not each request. RFC 9293 3.6.1",
                        "TIME-WAIT 跟随的是连接，而不是请求。RFC 9293 3.6.1",
                    ),
                    {
                        "time-wait-per-request": lambda own: own.k + 1,
                        "as-many-as-ports": lambda own: own.k,
                        "ports-are-free-after-close": lambda _: 0,
                    },
                ),
                Question(
                    "errno_kept",
                    Text("And how does that connect() end?", "那次 connect() 的结果是什么？"),
                    Errno(),
                    OfCall("connect", step="connect()"),
                    lambda _: "",
                    Text("All ports but one are free.", "除一个以外，所有端口都空闲。"),
                    {"time-wait-per-request": lambda _: "EADDRNOTAVAIL", "bind-says-in-use": lambda _: "EADDRINUSE"},
                ),
            ),
        ),
    ),
    hints=(
        Text("What does a connection in TIME-WAIT still keep?", "处于 TIME-WAIT 的连接还占着什么？"),
        Text(
            "The client's address, the server's address and its port are the same each time. What is left?",
            "客户端地址、服务器地址和服务器端口每次都一样。还剩什么？",
        ),
        Text(
            "As many connections a minute as there are ports in the range, to one port of one server.",
            "对一台服务器的一个端口，一分钟内的连接数等于范围内的端口数。",
        ),
    ),
    learned=Text(
        "Ports run out for one server and port only, and only at the side that closes first. connect() then says"
        " EADDRNOTAVAIL.",
        "端口只会对同一个服务器和端口用完，而且只在先关闭的一方。这时 connect() 返回 EADDRNOTAVAIL。",
    ),
)
