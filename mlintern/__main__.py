import sys

from mlintern.cli import main

sys.exit(main())
