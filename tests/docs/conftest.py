"""`pytest tests/docs --refresh-docs` writes what the commands print now into the documents."""


def pytest_addoption(parser):
    parser.addoption(
        "--refresh-docs", action="store_true", help="rewrite the documents' transcripts instead of failing"
    )
