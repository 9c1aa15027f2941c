"""E09: which window scale a SYN offers, and what it does to a window."""

from lab import Lab, NotApplicable
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Several
from lab.exercise.readings import Checked, OfSegment

RMEM, SCALING = "net.ipv4.tcp_rmem", "net.ipv4.tcp_window_scaling"
OPTIONS = {
    "MSS": Text("MSS", "MSS"),
    "WScale": Text("window scale", "窗口缩放"),
    "SAckOK": Text("SACK permitted", "允许 SACK"),
    "Timestamp": Text("timestamps", "时间戳"),
}


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl(SCALING, own.scaling)
    lab.kernel.sysctl(RMEM, f"4096 131072 {own.largest}")
    if lab.kernel.window_scale != shift(own.largest):
        raise NotApplicable("net.core.rmem_max is larger than the buffer of this exercise")
    lab.step("RMEM")
    peer = lab.peer(port=own.port, window_scale=own.t)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    if not own.scaling:
        return
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    peer.send("PA", window=own.w, payload="x")
    peer.expect("A", seq=1, ack=2)
    info = client.tcp_info()
    if "snd_wnd" not in info:
        raise NotApplicable("this kernel does not tell the window of the other side")
    lab.verify("window of the peer, in bytes", own.w << own.t, info["snd_wnd"])
    for step, port, size in (("SMALL", own.port + 1, own.small), ("LARGE", own.port + 2, own.large)):
        lab.step(step)
        peer = lab.peer(port=port)
        client = lab.kernel.connect(to=peer, options={"SO_RCVBUF": size})
        if client.get_option("SO_RCVBUF") != 2 * size:
            raise NotApplicable("net.core.rmem_max is smaller than the buffer of this exercise")
        peer.expect("S", seq=0)


def shift(size: int) -> int:
    """The smallest scale with which so many bytes fit 16 bits, at most 14 (RFC 7323 2.3)."""
    return next((bits for bits in range(14) if size >> bits <= 65535), 14)


WHY = Text(
    "The smallest exponent s with which the largest buffer, divided by 2**s, fits into 16 bits. RFC 7323 2.2",
    "最小的指数 s，使最大的缓冲区除以 2**s 之后能用 16 位表示。RFC 7323 2.2",
)

EXERCISE = Exercise(
    id="E09",
    title=Text("A scale for the buffer", "与缓冲区相配的缩放"),
    goal=Text(
        "Compute the window scale of a SYN from the receive buffer, and a window in bytes from its field.",
        "能由接收缓冲区算出 SYN 的窗口缩放，由窗口字段算出窗口的字节数。",
    ),
    minutes=12,
    section="RFC 7323 2.2, 2.3",
    article="3.2",
    run=run,
    draw={
        "port": range(1024, 30000),
        "mib": (40, 48, 56, 70, 90, 110, 140, 180, 220, 280, 360, 440, 560, 700),
        "small": range(4096, 60000),
        "large": range(70000, 200000),
        "t": range(2, 9),
        "w": range(50, 900),
        "scaling": (1,),
    },
    derive={"largest": lambda own: own.mib << 20},
    rounds=(
        Round(
            Text(
                "The receive buffer of a connection may grow to {largest} bytes (the third number of tcp_rmem; {mib}"
                " MiB). A program connects to you: the first SYN. Your SYN+ACK offers window scale {t}. Your next"
                " segment has {w} in its window field. Two more programs set their own buffer before they connect:"
                " SO_RCVBUF {small} (the second SYN) and {large} (the third). This kernel doubles the value of"
                " SO_RCVBUF, and uses half of the buffer for data.",
                "一个连接的接收缓冲区最多可以增长到 {largest} 字节（tcp_rmem 的第三个数；{mib} MiB）。"
                "一个程序连接到你：第一个 SYN。你的 SYN+ACK 带窗口缩放 {t}。你的下一个报文段的窗口字段为 {w}。"
                "另外两个程序在连接之前设置自己的缓冲区：SO_RCVBUF 为 {small}（第二个 SYN）和 {large}（第三个）。"
                "这个内核会把 SO_RCVBUF 的值加倍，并把缓冲区的一半用于数据。",
            ),
            predict=(
                Question(
                    "of_rmem",
                    Text("Which window scale does the first SYN offer?", "第一个 SYN 的窗口缩放是多少？"),
                    Count(),
                    OfSegment(1, "scale", step="RMEM"),
                    lambda own: shift(own.largest),
                    WHY,
                    {
                        "scale-one-too-small": lambda own: shift(own.largest) - 1,
                        "scale-is-a-factor": lambda own: own.largest // 65535,
                        "scale-of-the-answer": lambda own: own.t,
                    },
                ),
                Question(
                    "window",
                    Text(
                        "How many bytes may the kernel send to you after your segment with {w} in its window field?",
                        "在你的窗口字段为 {w} 的报文段之后，内核可以发给你多少字节？",
                    ),
                    Count(),
                    Checked("window of the peer, in bytes"),
                    lambda own: own.w << own.t,
                    Text(
                        "Your window is scaled by the number in your SYN+ACK: {w} times 2**{t}. RFC 7323 2.3",
                        "你的窗口按你的 SYN+ACK 里的值缩放：{w} 乘以 2**{t}。RFC 7323 2.3",
                    ),
                    {
                        "window-not-scaled": lambda own: own.w,
                        "scale-is-a-factor": lambda own: own.w * own.t,
                        "scaled-by-the-other-side": lambda own: own.w << shift(own.largest),
                    },
                ),
                Question(
                    "of_small",
                    Text(
                        "Which window scale does the second SYN offer (SO_RCVBUF {small})?",
                        "第二个 SYN（SO_RCVBUF 为 {small}）的窗口缩放是多少？",
                    ),
                    Count(),
                    OfSegment(1, "scale", step="SMALL"),
                    lambda own: shift(own.small),
                    Text(
                        "{small} bytes for data fit into 16 bits without a scale. The option is there all the same: a"
                        " zero says that the kernel can scale your window. RFC 7323 2.2",
                        "用于数据的 {small} 字节不缩放也能用 16 位表示。这个选项仍然存在：0 表示内核能处理你的缩放。"
                        "RFC 7323 2.2",
                    ),
                    {
                        "buffer-has-no-say": lambda own: shift(own.largest),
                        "all-of-the-buffer": lambda own: shift(2 * own.small),
                    },
                ),
                Question(
                    "of_large",
                    Text(
                        "And the third (SO_RCVBUF {large})?",
                        "第三个（SO_RCVBUF 为 {large}）呢？",
                    ),
                    Count(),
                    OfSegment(1, "scale", step="LARGE"),
                    lambda own: shift(own.large),
                    WHY,
                    {
                        "buffer-has-no-say": lambda own: shift(own.largest),
                        "all-of-the-buffer": lambda own: shift(2 * own.large),
                        "scale-one-too-small": lambda own: shift(own.large) - 1,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One setting changes: sysctl net.ipv4.tcp_window_scaling = 0. Look at the first SYN.",
                "只改一个设置：sysctl net.ipv4.tcp_window_scaling = 0。请看第一个 SYN。",
            ),
            change={"scaling": 0},
            hint=Text(
                "Which option does this setting switch off, and does it touch the others?",
                "这个设置关掉了哪个选项，对其他选项有影响吗？",
            ),
            predict=(
                Question(
                    "options",
                    Text("Which options does it have?", "它带哪些选项？"),
                    Several(tuple(OPTIONS.values())),
                    OfSegment(1, "options", step="RMEM", among=tuple(OPTIONS)),
                    lambda _: frozenset({0, 2, 3}),
                    Text(
                        "A side that does not scale leaves the option out, and neither side scales then. RFC 7323 2.2",
                        "不缩放的一方不带这个选项，于是双方都不缩放。RFC 7323 2.2",
                    ),
                    {
                        "setting-has-no-effect": lambda _: frozenset({0, 1, 2, 3}),
                        "only-mss": lambda _: frozenset({0}),
                        "timestamps-left-out": lambda _: frozenset({0, 2}),
                    },
                ),
            ),
            investigate=(
                Question(
                    "header",
                    Text("How many bytes long is its TCP header?", "它的 TCP 首部有多少字节？"),
                    Count(),
                    OfSegment(1, "header", step="RMEM"),
                    lambda _: 36,
                    Text(
                        "20, and for MSS 4, SACK permitted 2, timestamps 10. RFC 9293 3.1",
                        "20 字节，再加 MSS 4 字节、允许 SACK 2 字节、时间戳 10 字节。RFC 9293 3.1",
                    ),
                    {"options-are-in-the-header": lambda _: 20, "header-in-words": lambda _: 9},
                ),
            ),
        ),
    ),
    hints=(
        Text("How large a window can 16 bits express?", "16 位最多能表示多大的窗口？"),
        Text(
            "Halve the buffer until it is at most 65535, and count how often.",
            "把缓冲区不断减半，直到不超过 65535，数一数减了几次。",
        ),
        Text(
            "With SO_RCVBUF n, n bytes are for data here. A window is its field times 2 to the scale of its sender.",
            "设置 SO_RCVBUF 为 n 时，这里用于数据的是 n 字节。窗口是窗口字段乘以 2 的发送方缩放值次方。",
        ),
    ),
    learned=Text(
        "A scale is the smallest exponent with which the buffer fits 16 bits. Each side scales its window by its own.",
        "缩放值是让缓冲区能用 16 位表示的最小指数。双方各自按自己的值缩放自己的窗口。",
    ),
)
