from tools.recipes_page import PAGE, page


def test_the_page_is_what_the_recipes_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tools.recipes_page writes it anew"
