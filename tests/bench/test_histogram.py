from bench.histogram import Histogram


def test_a_quantile_is_the_upper_edge_of_its_bin() -> None:
    late = Histogram()
    for tenth_ms in range(100):
        late.add(tenth_ms * 100_000)
    assert late.count == 100
    assert late.quantile_ms(0.5) == 5.0
    assert late.quantile_ms(0.95) == 9.5
    assert late.quantile_ms(1) == 10.0


def test_one_value_is_every_quantile() -> None:
    late = Histogram({7: 3})
    assert late.quantile_ms(0.01) == late.quantile_ms(1) == 0.8


def test_nothing_counted_has_no_quantile() -> None:
    assert Histogram().quantile_ms(0.5) is None


def test_a_negative_time_counts_as_none_at_all() -> None:
    late = Histogram()
    late.add(-5)
    assert late.bins == {0: 1}
