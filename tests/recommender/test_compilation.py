from app.compilation import features_of


def test_vectors_of_512_bits_are_wanted_where_there_are_some() -> None:
    assert features_of({"avx2": True, "fma": True}) is None
    assert features_of({"avx2": True, "avx512f": False}) is None
    assert features_of({"avx512f": True, "avx2": True, "sse4a": False}) == (
        "+avx2,+avx512f,-sse4a,-prefer-256-bit"
    )
