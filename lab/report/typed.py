"""How readers type control bits and numbers: words, and patterns that Python and JavaScript read in the same way.

`lab.exercise.notation` reads answers with them, and so does the page's predict mode. Texts are in lower case and
normalized (NFKC) before a pattern is applied.
"""

NEAR = 2**20
"""Distance from an initial sequence number below which a number belongs to it."""
NONE = ("-", "none", "nothing", "no", "silence", "0", "无", "没有", "什么都没有", "不发送")
"""Words for no control bit, no segment or no number."""
CONTROL_BITS = {
    "SYN": "S",
    "ACK": "A",
    "FIN": "F",
    "RST": "R",
    "RESET": "R",
    "PSH": "P",
    "PUSH": "P",
    "URG": "U",
    ".": "A",
    "ECE": "E",
    "CWR": "C",
}
"""Scapy's letters by the names of the control bits."""
AROUND = r"^[\[\]<>() ]+|[\[\]<>() ]+$"
"""Brackets around control bits."""
BETWEEN = r"[\s+,、/|&和与-]+|\band\b"
"""What separates names of control bits."""
FIELD = r"^(?:seq|ack)\b\s*[=:]?"
"""Name of a field before its number."""
THOUSANDS = r"(?<=\d)[ ,_](?=\d{3}(?!\d))"
"""Separators of thousands."""
WITHIN = THOUSANDS + r"|\s*(?=[+-])|(?<=[+-])\s*"
"""What is left out of a sum: separators of thousands, and spaces around signs."""
TERM = r"([+-]?)(0x[0-9a-f]{1,16}|[0-9]{1,20}|[a-z][a-z_]*)"
"""Term of a sum: a number, or the name of one."""
INTEGER = r"0x[0-9a-f]+|[0-9]+"
DIGITS = {
    word: number
    for number, words in enumerate(
        ("zero 零", "one 一", "two 二 两", "three 三", "four 四", "five 五", "six 六", "seven 七", "eight 八",
         "nine 九", "ten 十")
    )
    for word in words.split()
}  # fmt: skip
"""Small numbers by their words."""
