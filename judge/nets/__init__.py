"""Networks of the zoo with one layer spoilt, in each framework's own way. Built inside a worker."""
