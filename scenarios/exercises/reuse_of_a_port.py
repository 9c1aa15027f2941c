"""E49: when tcp_tw_reuse lets a client use a port again that is in TIME-WAIT."""

from lab import Lab, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Errno, Several
from lab.exercise.readings import Checked, OfCall, Which

STEPS = ("0", "2", "1")
VALUES = (
    Text("0 (off)", "0（关闭）"),
    Text("2 (the default)", "2（默认值）"),
    Text("1 (on)", "1（开启）"),
)
ENOUGH_S = 1.2
"""A little more than the second that a connection must have been in TIME-WAIT."""


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.ip_local_port_range", f"{own.first} {own.first}")
    old = lab.peer(port=own.port, timestamps=bool(own.stamps))
    lab.kernel.connect(to=old)
    connection = old.open()
    connection.close()
    old.expect("FA", seq=1, ack=1)
    old.send("FA")
    old.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old, "TIME-WAIT")
    old.expect_silence(during=ENOUGH_S)
    new = lab.peer(port=own.port, timestamps=bool(own.stamps))
    for value in STEPS:
        lab.kernel.sysctl("net.ipv4.tcp_tw_reuse", value)
        lab.step(value)
        if value == "1" and own.stamps:
            connect(lab, new)
        else:
            lab.kernel.connect(to=new, error="EADDRNOTAVAIL")
    lab.verify("TIME-WAIT", 0 if own.stamps else 1, lab.kernel.count("TIME-WAIT"))


def connect(lab: Lab, new: Peer) -> None:
    """A connection that takes the place of one in TIME-WAIT."""
    known = "the SYN that takes the place of a connection in TIME-WAIT echoes its last timestamp"
    with lab.deviation("tsecr", known):
        client = lab.kernel.connect(to=new)
        new.expect("S")
        new.send("SA")
        new.expect("A", seq=1, ack=1)
    client.expect_connected()


EXERCISE = Exercise(
    id="E49",
    title=Text("tcp_tw_reuse", "tcp_tw_reuse"),
    goal=Text(
        "Say when tcp_tw_reuse helps a client, and what it needs.",
        "会说出 tcp_tw_reuse 什么时候对客户端有用，需要什么条件。",
    ),
    minutes=10,
    section="RFC 6191 2; RFC 7323 appendix B.2; tcp(7) tcp_tw_reuse",
    article="4.1",
    run=run,
    draw={"first": range(32768, 60000), "port": range(1024, 30000), "stamps": (1,)},
    waits=True,
    rounds=(
        Round(
            Text(
                "The kernel is the client, and its range of ports has one port: {first}. It has opened a connection to"
                " your port {port} and closed it first; both sides used timestamps. That was more than a second ago, so"
                " the connection is in TIME-WAIT. Now the program tries to connect to the same port of yours, with each"
                " value of net.ipv4.tcp_tw_reuse. (Over an ordinary interface, on Linux 6.18.)",
                "内核是客户端，它的端口范围只有一个端口：{first}。它与你的端口 {port} 建立过连接，并且先关闭；"
                "双方都使用了时间戳。那是一秒多以前的事，所以连接处于 TIME-WAIT。"
                "现在程序在 net.ipv4.tcp_tw_reuse 的每个取值下尝试连接你的同一个端口。"
                "（经过普通网络接口，Linux 6.18。）",
            ),
            predict=(
                Question(
                    "values",
                    Text("With which values does connect() succeed?", "取哪些值时 connect() 成功？"),
                    Several(VALUES),
                    Which(tuple(OfCall("connect", step=value) for value in STEPS), ""),
                    lambda _: frozenset({2}),
                    Text(
                        "1 allows it for any interface. The default, 2, allows it on loopback only. tcp(7)",
                        "1 对任何接口都允许。默认值 2 只允许回环接口。tcp(7)",
                    ),
                    {
                        "default-reuses": lambda _: frozenset({1, 2}),
                        "reuse-is-for-servers": lambda _: frozenset(),
                        "always-reused": lambda _: frozenset({0, 1, 2}),
                    },
                ),
                Question(
                    "errno",
                    Text("How does connect() end with 0?", "取 0 时 connect() 的结果是什么？"),
                    Errno(),
                    OfCall("connect", step="0"),
                    lambda _: "EADDRNOTAVAIL",
                    Text(
                        "The only port is in TIME-WAIT for this server and port. connect(2)",
                        "唯一的端口对这个服务器和端口处于 TIME-WAIT。connect(2)",
                    ),
                    {
                        "bind-says-in-use": lambda _: "EADDRINUSE",
                        "always-reused": lambda _: "",
                        "nothing-was-sent": lambda _: "ETIMEDOUT",
                    },
                ),
                Question(
                    "left",
                    Text(
                        "How many connections are in TIME-WAIT after all three attempts?",
                        "三次尝试之后，有多少个连接处于 TIME-WAIT？",
                    ),
                    Count(),
                    Checked("TIME-WAIT"),
                    lambda _: 0,
                    Text(
                        "The new connection has taken the place of the old one. RFC 6191 2",
                        "新连接取代了旧连接。RFC 6191 2",
                    ),
                    {"new-beside-old": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: your side does not use timestamps, so neither connection has them.",
                "只改一处：你这一端不使用时间戳，所以两个连接都没有时间戳。",
            ),
            change={"stamps": 0},
            predict=(
                Question(
                    "values_without",
                    Text("With which values does connect() succeed now?", "现在取哪些值时 connect() 成功？"),
                    Several(VALUES),
                    Which(tuple(OfCall("connect", step=value) for value in STEPS), ""),
                    lambda _: frozenset(),
                    Text(
                        "Without timestamps old and new segments look alike, so nothing is reused. RFC 6191 2",
                        "没有时间戳就无法区分新旧报文段，所以 Linux 不重用。RFC 6191 2",
                    ),
                    {
                        "setting-is-enough": lambda _: frozenset({2}),
                        "default-reuses": lambda _: frozenset({1, 2}),
                        "always-reused": lambda _: frozenset({0, 1, 2}),
                    },
                ),
                Question(
                    "left_without",
                    Text("And how many connections are in TIME-WAIT afterwards?", "之后有多少个连接处于 TIME-WAIT？"),
                    Count(),
                    Checked("TIME-WAIT"),
                    lambda _: 1,
                    Text("The old one, for the rest of its minute.", "旧的那个，直到它的一分钟结束。"),
                    {"setting-is-enough": lambda _: 0, "one-for-each-attempt": lambda _: 3},
                ),
            ),
        ),
    ),
    hints=(
        Text("What has to be sure before a port may be used again so soon?", "要这么快重用端口，必须确定什么？"),
        Text(
            "Timestamps tell old segments from new ones. And read tcp(7) about the value 2.",
            "时间戳能区分新旧报文段。再读一下 tcp(7) 中关于取值 2 的说明。",
        ),
        Text(
            "Only 1, and only with timestamps on both sides.",
            "只有取 1，而且双方都要有时间戳。",
        ),
    ),
    learned=Text(
        "tcp_tw_reuse helps an outgoing connection if it is 1, both sides have timestamps and a second has passed.",
        "tcp_tw_reuse 取 1、双方都有时间戳、并且过了一秒，对外的连接才能重用端口。",
    ),
)
