"""E20: which options survive a SYN cookie, without timestamps and with them."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Several, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State

OPTIONS = {
    "WScale": Text("window scale", "窗口缩放"),
    "SAckOK": Text("SACK permitted", "允许 SACK"),
    "Timestamp": Text("timestamps", "时间戳"),
}

TABLES = {4: (536, 1300, 1440, 1460), 6: (1220, 1420, 1440, 8940)}
"""msstab of net/ipv4/syncookies.c and net/ipv6/syncookies.c."""


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    stamps = bool(own.stamps)
    peer = lab.peer(to=server, mss=own.mss, window_scale=own.shift, sack_permitted=True, timestamps=stamps)
    lab.step("SYN")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.step("ACK")
    peer.send("A", window=own.field)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection = server.accept()
    lab.verify("data in a segment", kept(own), connection.tcp_info()["snd_mss"])
    lab.verify("the peer's window", own.field << own.shift * stamps, connection.tcp_info()["snd_wnd"])


def kept(own: Numbers) -> int:
    """The MSS that the cookie remembers, less the bytes of timestamps."""
    return own.entry - 12 * own.stamps


EXERCISE = Exercise(
    id="E20",
    title=Text("What a cookie cannot remember", "cookie 记不住什么"),
    goal=Text(
        "Say what a connection that began with a SYN cookie lacks, and why timestamps help.",
        "会说出以 SYN cookie 开始的连接缺少什么，以及时间戳为什么有帮助。",
    ),
    minutes=10,
    section="RFC 4987 3.6, RFC 7323 2.2, 3.2",
    article="3.2",
    run=run,
    sysctls={"net.ipv4.tcp_syncookies": "2"},
    draw={
        "port": range(1024, 30000),
        "mss": (*range(1320, 1420, 5), *range(1421, 1431), *range(1441, 1451)),
        "shift": range(3, 9),
        "field": range(4001, 9999),
        "stamps": (0,),
    },
    derive={"entry": lambda own: max(each for each in TABLES[own.family] if each <= own.mss)},
    rounds=(
        Round(
            Text(
                "The server answers every SYN with a cookie (tcp_syncookies is 2). Your SYN offers an MSS of {mss},"
                " SACK"
                " and a window scale of {shift}, but no timestamps. The cookie has room for the number of an entry in"
                " a table of MSS values, and for nothing else. The table has 536, 1300, 1440 and 1460 for IPv4, and"
                " 1220, 1420, 1440 and 8940 for IPv6.",
                "服务器用 cookie 应答每个 SYN（tcp_syncookies 为 2）。你的 SYN 给出 MSS {mss}、允许 SACK 和窗口缩放"
                " {shift}，但没有时间戳。cookie 里只放得下 MSS 表中一项的编号，别的都放不下。表中的值，IPv4 为 536、"
                "1300、"
                "1440 和 1460，IPv6 为 1220、1420、1440 和 8940。",
            ),
            predict=(
                Question(
                    "options",
                    Text("Which of these options does the SYN+ACK have?", "SYN+ACK 带有下列哪些选项？"),
                    Several(tuple(OPTIONS.values())),
                    OfSegment(1, "options", among=tuple(OPTIONS)),
                    lambda _: frozenset(),
                    Text(
                        "None: the kernel will have forgotten your offer, so it must not accept it. RFC 4987 3.6",
                        "一个也没有：内核会忘记你给出的选项，所以不能接受它们。RFC 4987 3.6",
                    ),
                    {
                        "cookie-keeps-everything": lambda _: frozenset({0, 1}),
                        "cookie-forgets-options": lambda _: frozenset({1}),
                        "not-offered": lambda _: frozenset({0, 1, 2}),
                    },
                ),
                Question(
                    "before",
                    Text(
                        "In which state is your connection on the server before your ACK? (CLOSED if there is none.)",
                        "在你的 ACK 之前，服务器上你的连接处于什么状态？（如果没有，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.CLOSED,
                    Text(
                        "There is no entry: your ACK will bring the cookie back. RFC 4987 3.6",
                        "没有条目：你的 ACK 会把 cookie 带回来。RFC 4987 3.6",
                    ),
                    {"cookie-is-no-entry": lambda _: State.SYN_RECEIVED, "no-entry-yet": lambda _: State.LISTEN},
                ),
                Question(
                    "mss",
                    Text(
                        "The connection opens. How many bytes of data will the kernel put in one segment to you?",
                        "连接建立了。内核发给你的一个报文段里最多放多少字节数据？",
                    ),
                    Count(),
                    Checked("data in a segment"),
                    kept,
                    Text(
                        "Your {mss} is rounded down to an entry of the table: {entry}. RFC 4987 3.6",
                        "你的 {mss} 向下取到表中的一项：{entry}。RFC 4987 3.6",
                    ),
                    {
                        "cookie-keeps-everything": lambda own: own.mss,
                        "mss-is-in-the-cookie": lambda _: 536,
                        "mss-rounded-up": lambda own: min(each for each in TABLES[own.family] if each > own.mss),
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: your SYN also offers timestamps. Everything else is the same.",
                "只改一处：你的 SYN 还给出时间戳。其他都一样。",
            ),
            change={"stamps": 1},
            predict=(
                Question(
                    "options_now",
                    Text("Which of these options does the SYN+ACK have now?", "现在 SYN+ACK 带有下列哪些选项？"),
                    Several(tuple(OPTIONS.values())),
                    OfSegment(1, "options", among=tuple(OPTIONS)),
                    lambda _: frozenset({0, 1, 2}),
                    Text(
                        "All: the kernel writes your offer into the low bits of its own timestamp, and you echo it."
                        " RFC 7323 3.2",
                        "全部：内核把你给出的选项写进自己时间戳的低位，而你会把它带回来。RFC 7323 3.2",
                    ),
                    {
                        "timestamps-carry-the-rest": lambda _: frozenset({2}),
                        "cookie-forgets-options": lambda _: frozenset(),
                    },
                ),
                Question(
                    "mss_now",
                    Text(
                        "And how many bytes of data will the kernel put in one segment? (The timestamps take 12"
                        " bytes of"
                        " each.)",
                        "一个报文段里最多放多少字节数据？（时间戳占用每个报文段的 12 字节。）",
                    ),
                    Count(),
                    Checked("data in a segment"),
                    kept,
                    Text(
                        "The MSS still comes from the table, {entry}, and 12 bytes are for the timestamps. RFC 6691 3",
                        "MSS 仍然取自表中：{entry}，其中 12 字节用于时间戳。RFC 6691 3",
                    ),
                    {
                        "timestamps-take-room": lambda own: own.entry,
                        "timestamps-keep-no-mss": lambda own: own.mss - 12,
                    },
                ),
                Question(
                    "window",
                    Text(
                        "Your ACK has {field} in its window field. How many bytes may the kernel send?",
                        "你的 ACK 的窗口字段是 {field}。内核可以发送多少字节？",
                    ),
                    Count(),
                    Checked("the peer's window"),
                    lambda own: own.field << own.shift,
                    Text(
                        "Your window scale, {shift}, came back in the timestamp: {field} times 2**{shift}. RFC 7323"
                        " 2.3",
                        "你的窗口缩放 {shift} 在时间戳里带回来了：{field} 乘以 2 的 {shift} 次方。RFC 7323 2.3",
                    ),
                    {
                        "cookie-forgets-options": lambda own: own.field,
                        "scale-is-no-factor": lambda own: own.field * own.shift,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What the server does not keep has to come back in your ACK. Which fields come back?",
            "服务器不保存的内容必须由你的 ACK 带回来。哪些字段会带回来？",
        ),
        Text(
            "The acknowledgment number comes back, and the timestamp if there is one.",
            "确认号会带回来；如果有时间戳，时间戳也会。",
        ),
        Text(
            "The cookie has the number of the next smaller MSS. The other options need a timestamp.",
            "cookie 里是下一个较小的 MSS 的编号。其他选项需要时间戳。",
        ),
    ),
    learned=Text(
        "A cookie remembers a rounded MSS. Window scale and SACK are lost, unless both sides have timestamps: then the"
        " timestamp brings them back.",
        "cookie 只记得取整后的 MSS。窗口缩放和 SACK 会丢失，除非双方都有时间戳：那样时间戳会把它们带回来。",
    ),
)
