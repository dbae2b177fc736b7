"""How alike two texts are, and which of many are nearly the same. Pure but for `rensa`.

Likeness is the Jaccard similarity of the sets of word 3-grams: shared shingles over all
shingles, 0..1. MinHash (Broder 1997) only proposes pairs; every pair is then verified.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

WIDTH = 3
"""Words in a shingle."""
PERMUTATIONS = 128
BANDS = 64
"""With two rows a band, a pair of similarity 0.4 is proposed with probability 0.99998."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""

_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")

Shingles = frozenset[str]


def shingles(text: str) -> Shingles:
    """Return the word 3-grams of `text`, case and punctuation aside.

    A text of one or two words is one shingle, and so is a text of signs alone. In scripts
    without spaces a character is taken for a word.
    """
    words = _WORD.findall(text.lower()) or text.split()
    count = max(len(words) - WIDTH + 1, min(len(words), 1))
    return frozenset(" ".join(words[i : i + WIDTH]) for i in range(count))


def jaccard(a: Shingles, b: Shingles) -> float:
    """Return shared over all shingles, 0..1; 0 where both are empty."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0


class Index:
    """Finds the known text most like a new one, exactly, by an inverted index of shingles.

    Time grows with the texts that share a shingle; meant for a dev or test set (thousands).
    """

    def __init__(self) -> None:
        self._texts: list[tuple[str, Shingles]] = []
        self._holders: dict[str, list[int]] = defaultdict(list)

    def add(self, name: str, text: str) -> None:
        """Make `text` known under `name`."""
        found = shingles(text)
        for shingle in found:
            self._holders[shingle].append(len(self._texts))
        self._texts.append((name, found))

    def nearest(self, text: str) -> tuple[str, float]:
        """Return name and similarity of the nearest known text; ("", 0.0) if none shares any."""
        asked = shingles(text)
        shared = Counter(i for shingle in asked for i in self._holders.get(shingle, ()))
        best = ("", 0.0)
        for i, common in sorted(shared.items()):
            name, known = self._texts[i]
            similarity = common / (len(asked) + len(known) - common)
            if similarity > best[1]:
                best = (name, similarity)
        return best


class Sieve:
    """Finds a known near copy of a new text among very many, by MinHash LSH and verification."""

    def __init__(self) -> None:
        from rensa import RMinHashLSH

        self._lsh = RMinHashLSH(0.5, PERMUTATIONS, BANDS)
        self._texts: list[tuple[str, Shingles]] = []

    def nearest(self, text: str) -> tuple[str, float]:
        """Return name and similarity of the nearest proposed text; ("", 0.0) with none."""
        asked = shingles(text)
        best = ("", 0.0)
        for i in sorted(set(self._lsh.query(_minhash(asked)))) if asked else ():
            name, known = self._texts[i]
            similarity = jaccard(asked, known)
            if similarity > best[1]:
                best = (name, similarity)
        return best

    def add(self, name: str, text: str) -> None:
        """Make `text` known under `name`."""
        found = shingles(text)
        if found:
            self._lsh.insert(len(self._texts), _minhash(found))
            self._texts.append((name, found))


def groups(texts: Sequence[str], *, threshold: float) -> tuple[list[int], list[bool]]:
    """Group texts that are near copies, directly or through others.

    Args:
        texts: n texts.
        threshold: similarity, 0..1, at or above which two texts belong together.

    Returns:
        n numbers: the index of the first text of each text's group. And n times whether no
        text before this one is near it: a later text may yet join what two of these began.
    """
    first = list(range(len(texts)))
    begins = [True] * len(texts)

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for i, j in _near_pairs(texts, threshold):
        a, b = sorted((root(i), root(j)))
        first[b] = a
        begins[j] = False
    return [root(i) for i in range(len(texts))], begins


def _near_pairs(texts: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    from rensa import RMinHashLSH

    lsh = RMinHashLSH(0.5, PERMUTATIONS, BANDS)
    known: list[Shingles] = []
    for i, text in enumerate(texts):
        mine = shingles(text)
        known.append(mine)
        if not mine:
            continue
        sketch = _minhash(mine)
        for j in sorted(set(lsh.query(sketch))):
            if jaccard(mine, known[j]) >= threshold:
                yield j, i
        lsh.insert(i, sketch)


def _minhash(of: Shingles) -> object:
    from rensa import RMinHash

    sketch = RMinHash(PERMUTATIONS, 42)
    sketch.update(sorted(of))
    return sketch
