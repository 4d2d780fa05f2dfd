"""Who may switch the tests' processors. The password is one that is found nowhere by chance."""

USER = "nm-admin"
PASSWORD = "Xq7-vexillum.22"
WRONG = "Xq7-vexillum.33"
