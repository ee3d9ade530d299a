"""LaTeX's names for characters, as Unicode: Greek, operators, arrows, marks and accents.

The names that papers use most; `latex_typeset` asks pylatexenc's table of two thousand for the rest.
"""

_GREEK = (
    "alpha:α beta:β gamma:γ delta:δ epsilon:ε varepsilon:ε zeta:ζ eta:η theta:θ vartheta:θ iota:ι kappa:κ lambda:λ "
    "mu:μ "
    "nu:ν xi:ξ pi:π varpi:π rho:ρ varrho:ρ sigma:σ varsigma:ς tau:τ upsilon:υ phi:φ varphi:φ chi:χ psi:ψ omega:ω "
    "Gamma:Γ Delta:Δ Theta:Θ Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω ell:ℓ hbar:ℏ nabla:∇ partial:∂ "
    "varGamma:Γ varDelta:Δ varTheta:Θ varLambda:Λ varPhi:Φ varPsi:Ψ varOmega:Ω varSigma:Σ imath:ı jmath:ȷ aleph:ℵ"
)
_OPERATORS = (
    "pm:± mp:∓ times:× cdot:· div:÷ ast:∗ star:⋆ circ:∘ bullet:• oplus:⊕ ominus:⊖ otimes:⊗ odot:⊙ wedge:∧ vee:∨ cap:∩ "
    "cup:∪ setminus:∖ leq:≤ le:≤ leqslant:≤ geq:≥ ge:≥ geqslant:≥ neq:≠ ne:≠ ll:≪ gg:≫ approx:≈ sim:~ simeq:≃ cong:≅ "
    "equiv:≡ propto:∝ lesssim:≲ gtrsim:≳ lessapprox:≲ gtrapprox:≳ prec:≺ succ:≻ preceq:≼ succeq:≽ in:∈ notin:∉ "
    "ni:∋ subset:⊂ subseteq:⊆ "
    "supset:⊃ supseteq:⊇ emptyset:∅ varnothing:∅ forall:∀ exists:∃ neg:¬ lnot:¬ infty:∞ sum:∑ prod:∏ int:∫ sqrt:√ "
    "land:∧ lor:∨ langle:⟨ rangle:⟩ lfloor:⌊ rfloor:⌋ lceil:⌈ rceil:⌉ mid:| vert:| Vert:‖ lVert:‖ rVert:‖ lvert:| "
    "rvert:| parallel:∥ "
    "perp:⊥ bot:⊥ top:⊤ angle:∠ triangle:△ bigtriangleup:△ bigtriangledown:▽ triangledown:▽ vartriangle:△ square:□ "
    "Box:□ blacksquare:■ Diamond:◇ diamond:⋄ blacktriangle:▲ blacktriangledown:▼ bigstar:★ prime:′ degree:° dots:… "
    "ldots:… cdots:⋯ vdots:⋮ ddots:⋱ "
    "textellipsis:… colon:: lbrace:{ rbrace:} lbrack:[ rbrack:] backslash:\\ coloneqq:≔ triangleq:≜ doteq:≐ models:⊨ "
    "vdash:⊢ bigoplus:⊕ bigotimes:⊗ bigcup:⋃ bigcap:⋂ bigwedge:⋀ bigvee:⋁ iint:∬ oint:∮ Re:ℜ Im:ℑ gt:> lt:< "
    "thicksim:~ thickapprox:≈ complement:∁ ltimes:⋉ rtimes:⋊ dagger:† ddagger:‡ hslash:ℏ "
)
_ARROWS = (
    "to:→ rightarrow:→ longrightarrow:→ leftarrow:← gets:← longleftarrow:← leftrightarrow:↔ longleftrightarrow:↔ "
    "Rightarrow:⇒ Longrightarrow:⇒ implies:⇒ Leftarrow:⇐ Longleftarrow:⇐ iff:⇔ Leftrightarrow:⇔ mapsto:↦ longmapsto:↦ "
    "uparrow:↑ downarrow:↓ Uparrow:⇑ Downarrow:⇓ updownarrow:↕ nearrow:↗ searrow:↘ swarrow:↙ nwarrow:↖ "
    "hookrightarrow:↪ rightsquigarrow:⇝ leadsto:⇝ rightleftharpoons:⇌ xrightarrow:→ xleftarrow:← textuparrow:↑ "
    "textdownarrow:↓ "
    "textrightarrow:→ textleftarrow:← upuparrows:⇈ downdownarrows:⇊"
)
_MARKS = (
    "dag:† ddag:‡ textdagger:† textdaggerdbl:‡ textasteriskcentered:* S:§ P:¶ textsection:§ textparagraph:¶ "
    "checkmark:✓ cmark:✓ ding:✓ xmark:✗ textbullet:• copyright:© textcopyright:© textregistered:® texttrademark:™ "
    "pounds:£ textsterling:£ euro:€ texteuro:€ textyen:¥ textdollar:$ textpm:± texttimes:× textdiv:÷ textdegree:° "
    "textmu:µ textminus:− textless:< textgreater:> textbar:| textbackslash:\\ textasciitilde:~ textasciicircum:^ "
    "textunderscore:_ textquotesingle:' textquotedbl:\" textquotedblleft:“ textquotedblright:” textquoteleft:‘ "
    "textquoteright:’ textemdash:— textendash:– textbraceleft:{ textbraceright:} textnumero:№ "
    "ss:ß ae:æ AE:Æ oe:œ OE:Œ aa:å AA:Å o:ø O:Ø l:ł L:Ł i:ı j:ȷ dh:ð th:þ TH:Þ guillemotleft:« guillemotright:» "
    "clubsuit:♣ diamondsuit:♦ heartsuit:♥ spadesuit:♠ flat:♭ sharp:♯ natural:♮ eth:ð maltese:✠ "
    "textonehalf:½ textonequarter:¼ textthreequarters:¾ textordfeminine:ª textordmasculine:º textsuperscript: "
    "percent:% lq:‘ rq:’ textvisiblespace:␣ texttildelow:~ Letter:✉ faEnvelope:✉ "
)
_FUNCTIONS = (
    "log ln exp min max sup inf lim arg det dim sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan gcd "
    "deg hom "
    "ker Pr liminf limsup lg mod bmod argmin argmax"
)


def _table() -> dict[str, str]:
    table = {name: name for name in _FUNCTIONS.split()}
    for entry in (_GREEK + " " + _OPERATORS + " " + _ARROWS + " " + _MARKS).split():
        name, _, character = entry.partition(":")
        table[name] = character
    table |= {
        "|": "‖",
        "textquotedbl": '"',
        "ding": "",
        "LaTeX": "LaTeX",
        "TeX": "TeX",
        "BibTeX": "BibTeX",
        "BibLaTeX": "BibLaTeX",
    }
    return table


SYMBOLS: dict[str, str] = _table()
"""Command name without its backslash -> what it prints."""

ACCENTS: dict[str, str] = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    "u": "\u0306",
    ".": "\u0307",
    '"': "\u0308",
    "r": "\u030a",
    "H": "\u030b",
    "v": "\u030c",
    "d": "\u0323",
    "c": "\u0327",
    "k": "\u0328",
    "b": "\u0331",
    "t": "\u0361",
}
"""Accent command -> the combining character that follows its letter."""

DINGS: dict[str, str] = (
    {
        "51": "✓",
        "52": "✔",
        "53": "✕",
        "54": "✖",
        "55": "✗",
        "56": "✘",
        "72": "★",
        "73": "☆",
        "80": "✰",
        "108": "●",
        "109": "❍",
        "110": "■",
        "115": "▲",
        "116": "▼",
        "117": "◆",
    }
    | {str(172 + i): chr(0x2460 + i) for i in range(10)}
    | {str(182 + i): chr(0x2776 + i) for i in range(10)}
    | {str(192 + i): chr(0x2780 + i) for i in range(10)}
)
"""pifont's `\\ding{n}`."""
