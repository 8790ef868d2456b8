// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// The scores that `groupcache cluster` serves without any file: the text of `seeds/scores.csv`, which a test holds equal to this.
enum DemoScores {
    static let csv = """
        Tom,630
        Jack,589
        Sam,567
        Ada,712
        Alan,698
        Barbara,604
        Carol,433
        Dennis,655
        Edsger,641
        Frances,587
        Grace,701
        Hedy,522
        Ivan,376
        Joan,498
        Ken,663
        Leslie,629
        Margaret,676
        Niklaus,611
        Olga,407
        Peter,389
        Quentin,345
        Radia,690
        Sophie,574
        Tim,618
        Ursula,466
        Vint,632
        Whitfield,553
        Xavier,301
        Yukihiro,598
        Zoe,514
        日本,777
        José,455
        Ann Lee,480
        C++,983
        50%,500
        a/b,42

        """

    static func table() throws(CommandError) -> [Key: ByteView] {
        try CSVParser.parse(Array(self.csv.utf8))
    }
}
