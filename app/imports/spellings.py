"""The words of titles that are written in several ways, each with the one that stands for all of them."""

_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth"),
)
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_SPELLINGS = {
    "colour": "color", "colours": "colors", "coloured": "colored", "favour": "favor", "favourite": "favorite",
    "honour": "honor", "honourable": "honorable", "honours": "honors", "dishonour": "dishonor",
    "neighbour": "neighbor", "neighbours": "neighbors", "neighbourhood": "neighborhood", "harbour": "harbor",
    "armour": "armor", "labour": "labor", "labours": "labors", "rumour": "rumor", "rumours": "rumors",
    "behaviour": "behavior", "humour": "humor", "odour": "odor", "parlour": "parlor", "saviour": "savior",
    "savour": "savor", "splendour": "splendor", "valour": "valor", "vapour": "vapor", "vigour": "vigor",
    "glamour": "glamor", "clamour": "clamor", "flavour": "flavor", "fervour": "fervor", "ardour": "ardor",
    "theatre": "theater", "centre": "center", "metre": "meter", "spectre": "specter", "sombre": "somber",
    "sabre": "saber", "calibre": "caliber", "lustre": "luster", "litre": "liter", "fibre": "fiber",
    "grey": "gray", "greys": "grays", "defence": "defense", "offence": "offense", "licence": "license",
    "pretence": "pretense", "programme": "program", "catalogue": "catalog", "dialogue": "dialog",
    "jewellery": "jewelry", "jeweller": "jeweler", "traveller": "traveler", "travellers": "travelers",
    "travelling": "traveling", "counsellor": "counselor", "marvellous": "marvelous",
    "mum": "mom", "mums": "moms", "tyre": "tire", "cheque": "check", "mould": "mold",
    "pyjamas": "pajamas", "pyjama": "pajama", "plough": "plow", "storey": "story", "aluminium": "aluminum",
    "woollen": "woolen", "fulfil": "fulfill", "analyse": "analyze", "organised": "organized",
    "civilisation": "civilization", "realise": "realize", "paralysed": "paralyzed", "cosy": "cozy",
    "moustache": "mustache", "axe": "ax", "whisky": "whiskey", "doughnut": "donut", "judgement": "judgment",
    "until": "till", "til": "till", "ok": "okay", "n": "and", "doctor": "dr", "mister": "mr", "missus": "mrs",
    "saint": "st", "sainte": "ste", "versus": "vs", "boulevard": "blvd", "street": "st", "mount": "mt",
    "sergeant": "sgt", "lieutenant": "lt", "captain": "capt", "number": "no", "vol": "volume", "pt": "part",
    "ep": "episode",
}  # fmt: skip
WORDS = (
    _SPELLINGS
    | {word: str(n) for n, word in enumerate(_TEENS, 13)}
    | {word: f"{n}{_ENDINGS.get(n, 'th')}" for n, word in enumerate(_ORDINALS, 1)}
)
