"""Styles: each method looks its own way, in colour, in print and on white."""

from matplotlib.colors import to_rgb

from repobe.report import styles

PLANNED = ["necst", "necst_dp_005", "necst_dp_01", "necst_dp_03", "necst_dp_05", "necst_dp_09", "ibal", "escst", "vae"]
PLANNED += ["vae_128", "jpeg2000", "jpeg2000_ldpc", "adversarial_training", "trades", "undefended", "repobe"]


def test_a_method_that_no_style_knows_has_one_that_stays_and_comes_last():
    assert styles.style("brand_new") == styles.style("brand_new")
    assert styles.style("brand_new").label == "brand new"
    assert styles.methods_in_order(["brand_new", "repobe", "ibal", "necst"]) == ["necst", "ibal", "repobe", "brand_new"]


def test_a_setting_with_other_channel_uses_looks_like_its_method_says_its_k_and_stands_beside_it_by_k():
    assert styles.family("necst_k128") == "necst"
    assert styles.family("vae_128") == "vae"
    assert styles.family("necst_dp_005") == "necst_dp_005"
    look = styles.style("necst_k128")
    assert look == styles.style("necst")._replace(label="NECST, k = 128")
    settings = ["repobe", "necst_k1568", "vae", "necst_k128", "jpeg2000_ldpc", "necst", "new_k9"]
    ordered = ["necst", "necst_k128", "necst_k1568", "vae", "jpeg2000_ldpc", "repobe", "new_k9"]
    assert styles.methods_in_order(settings) == ordered


def test_every_method_has_one_colour_of_its_own():
    colours = [styles.style(name).colour for name in styles.STYLE if name != "necst_dp"]  # of no budget: its family's
    assert len(set(colours)) == len(colours)
    assert styles.style("ibal_reconstruction") == styles.style("ibal")
    assert styles.style("necst_dp_09_reconstruction") == styles.style("necst_dp_09")


def test_markers_alone_tell_all_methods_apart():
    """fig_cost shows them side by side; a hexagon is one on either of its sides."""
    named = [name for name in styles.STYLE if name != "necst_dp"]
    assert set(PLANNED) <= set(named)
    markers = [styles.style(name).marker for name in named]
    assert len({"h" if marker == "H" else marker for marker in markers}) == len(markers)


def test_no_two_settings_look_alike_and_the_first_differ_by_their_marker_alone():
    """6 colours beside 13 markers: the same pair comes back after 78, the same marker after 13."""
    looks = [styles.nth_style(number, f"setting {number}") for number in range(79)]
    assert len({(one.colour, one.marker) for one in looks[:78]}) == 78
    assert len({one.marker for one in looks[:13]}) == 13
    assert (looks[78].colour, looks[78].marker) == (looks[0].colour, looks[0].marker)


def test_lines_are_dark_enough_to_see_on_white():
    """WCAG 2's contrast of graphics, 3 to 1, but for the pale end of the NECST-DP family, which its marker tells."""
    for name in (
        "necst",
        "vae_128",
        "undefended",
        "repobe",
        "escst",
        "necst_dp_09",
        "jpeg2000",
        "trades",
        "repobe_adversarial",
    ):
        colour = to_rgb(styles.style(name).colour)
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        assert 1.05 / (luminance + 0.05) > 3, name
